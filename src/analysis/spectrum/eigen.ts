/** Eigenvalues, the largest first, and their vectors: vector `i` is row `i`, `[size, size]`. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** Sweeps over all pairs; a few are enough, as convergence is quadratic. */
const maxSweeps = 20;
/** Squares of what is left beside the diagonal, as a share of all: what rounding leaves of some hundred rows. */
const converged = 1e-26;

/**
 * Eigenvalues and vectors of a symmetric matrix by cyclic Jacobi rotations, in float64.
 * @param matrix `[size, size]`; unchanged.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 8.5
 */
export function symmetricEigen(matrix: Float64Array, size: number): Eigen {
  const a = Float64Array.from(matrix);
  const vectors = new Float64Array(size * size);
  for (let i = 0; i < size; i++) vectors[i * size + i] = 1;
  const total = a.reduce((sum, value) => sum + value * value, 0);
  for (let sweep = 0; sweep < maxSweeps && offDiagonal(a, size) > converged * total; sweep++)
    for (let p = 0; p < size - 1; p++) for (let q = p + 1; q < size; q++) rotate(a, vectors, size, p, q);
  const order = Array.from({ length: size }, (_, i) => i).sort((i, j) => a[j * size + j]! - a[i * size + i]!);
  const sorted = new Float64Array(size * size);
  order.forEach((from, to) => sorted.set(vectors.subarray(from * size, (from + 1) * size), to * size));
  return { values: Float64Array.from(order, (i) => a[i * size + i]!), vectors: sorted };
}

function offDiagonal(a: Float64Array, size: number): number {
  let sum = 0;
  for (let p = 0; p < size; p++) for (let q = p + 1; q < size; q++) sum += 2 * a[p * size + q]! ** 2;
  return sum;
}

/** Makes the entry (p, q) zero. */
function rotate(a: Float64Array, vectors: Float64Array, size: number, p: number, q: number): void {
  const entry = a[p * size + q]!;
  if (entry === 0) return;
  const theta = (a[q * size + q]! - a[p * size + p]!) / (2 * entry);
  const t = (theta < 0 ? -1 : 1) / (Math.abs(theta) + Math.sqrt(theta * theta + 1));
  const c = 1 / Math.sqrt(t * t + 1);
  const s = t * c;
  for (let k = 0; k < size; k++) {
    const [x, y] = [a[k * size + p]!, a[k * size + q]!];
    a[k * size + p] = c * x - s * y;
    a[k * size + q] = s * x + c * y;
  }
  turn(a, size, p, q, c, s);
  a[p * size + q] = a[q * size + p] = 0;
  turn(vectors, size, p, q, c, s);
}

/** Rows p and q, turned. */
function turn(rows: Float64Array, size: number, p: number, q: number, c: number, s: number): void {
  for (let k = 0; k < size; k++) {
    const [x, y] = [rows[p * size + k]!, rows[q * size + k]!];
    rows[p * size + k] = c * x - s * y;
    rows[q * size + k] = s * x + c * y;
  }
}
