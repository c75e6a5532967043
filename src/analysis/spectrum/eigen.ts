/** Eigenvalues, the largest first, and their vectors: vector `i` is row `i`, `[size, size]`. */
export interface Eigen {
  readonly values: Float64Array;
  readonly vectors: Float64Array;
}

/** Steps for each value, at most; two are usual. */
const maxSteps = 40;

/**
 * Eigenvalues and vectors of a symmetric matrix in float64: Householder reflections make it tridiagonal, then implicit steps of QR with
 * Wilkinson's shift make it diagonal. Values are exact to the precision of the largest one.
 * @param matrix `[size, size]`; unchanged.
 * @see G. H. Golub, C. F. Van Loan, Matrix Computations, 8.3
 */
export function symmetricEigen(matrix: Float64Array, size: number): Eigen {
  const { diagonal, beside, rows } = tridiagonal(Float64Array.from(matrix), size);
  for (let end = size - 1, steps = 0; end > 0 && steps < maxSteps * size;) {
    const start = startOfBlock(diagonal, beside, end);
    if (start === end) end -= 1;
    else {
      step(diagonal, beside, rows, start, end);
      steps += 1;
    }
  }
  const order = Array.from(diagonal.keys()).sort((i, j) => diagonal[j]! - diagonal[i]!);
  const vectors = new Float64Array(size * size);
  order.forEach((from, to) => vectors.set(rows.subarray(from * size, (from + 1) * size), to * size));
  return { values: Float64Array.from(order, (i) => diagonal[i]!), vectors };
}

interface Tridiagonal {
  readonly diagonal: Float64Array;
  /** Entry `i` is in row i + 1 and column i, and in row i and column i + 1. */
  readonly beside: Float64Array;
  /** `[size, size]`: the matrix is rowsᵀ · tridiagonal · rows. */
  readonly rows: Float64Array;
}

/** @param a is overwritten. */
function tridiagonal(a: Float64Array, size: number): Tridiagonal {
  const rows = new Float64Array(size * size);
  for (let i = 0; i < size; i++) rows[i * size + i] = 1;
  const beside = new Float64Array(Math.max(0, size - 1));
  const mirror = new Float64Array(size);
  for (let k = 0; k < size - 1; k++) {
    let squares = 0;
    for (let i = k + 1; i < size; i++) {
      const entry = a[k * size + i]!;
      mirror[i] = entry;
      squares += entry * entry;
    }
    const norm = Math.sqrt(squares);
    const first = mirror[k + 1]!;
    const left = first < 0 ? norm : -norm;
    const length = Math.sqrt(2 * norm * (norm + Math.abs(first)));
    if (k === size - 2 || length === 0) {
      beside[k] = first;
      continue;
    }
    beside[k] = left;
    mirror[k + 1] = first - left;
    for (let i = k + 1; i < size; i++) mirror[i]! /= length;
    reflectBoth(a, size, mirror, k + 1);
    reflectRows(rows, size, mirror, k + 1);
  }
  return { diagonal: Float64Array.from({ length: size }, (_, i) => a[i * size + i]!), beside, rows };
}

/** H · A · H with H = 1 − 2 v vᵀ, of rows and columns from `first` on: A − 2 v wᵀ − 2 w vᵀ with w = A v − (vᵀ A v) v. */
function reflectBoth(a: Float64Array, size: number, v: Float64Array, first: number): void {
  const w = new Float64Array(size);
  let inner = 0;
  for (let i = first; i < size; i++) {
    let sum = 0;
    for (let j = first; j < size; j++) sum += a[i * size + j]! * v[j]!;
    w[i] = sum;
    inner += sum * v[i]!;
  }
  for (let i = first; i < size; i++) w[i]! -= inner * v[i]!;
  for (let i = first; i < size; i++) {
    const vi = 2 * v[i]!;
    const wi = 2 * w[i]!;
    for (let j = first; j < size; j++) a[i * size + j]! -= vi * w[j]! + wi * v[j]!;
  }
}

/** H · rows. */
function reflectRows(rows: Float64Array, size: number, v: Float64Array, first: number): void {
  const sums = new Float64Array(size);
  for (let i = first; i < size; i++) {
    const vi = v[i]!;
    for (let j = 0; j < size; j++) sums[j]! += vi * rows[i * size + j]!;
  }
  for (let i = first; i < size; i++) {
    const vi = 2 * v[i]!;
    for (let j = 0; j < size; j++) rows[i * size + j]! -= vi * sums[j]!;
  }
}

/** Where the block begins that ends there: entries beside the diagonal that are rounding become zero. */
function startOfBlock(diagonal: Float64Array, beside: Float64Array, end: number): number {
  let start = end;
  for (; start > 0; start--) {
    const around = Math.abs(diagonal[start - 1]!) + Math.abs(diagonal[start]!);
    if (Math.abs(beside[start - 1]!) > Number.EPSILON * around) continue;
    beside[start - 1] = 0;
    break;
  }
  return start;
}

/** A step of QR on a block. */
function step(
  diagonal: Float64Array,
  beside: Float64Array,
  rows: Float64Array,
  start: number,
  end: number,
): void {
  const size = diagonal.length;
  let x = diagonal[start]! - shiftOf(diagonal, beside, end);
  let z = beside[start]!;
  for (let k = start; k < end; k++) {
    const r = Math.sqrt(x * x + z * z);
    const c = r === 0 ? 1 : x / r;
    const s = r === 0 ? 0 : z / r;
    const [p, b, q] = [diagonal[k]!, beside[k]!, diagonal[k + 1]!];
    diagonal[k] = c * c * p + 2 * c * s * b + s * s * q;
    diagonal[k + 1] = s * s * p - 2 * c * s * b + c * c * q;
    beside[k] = c * s * (q - p) + (c * c - s * s) * b;
    if (k > start) beside[k - 1] = r;
    if (k < end - 1) {
      x = beside[k]!;
      z = s * beside[k + 1]!;
      beside[k + 1]! *= c;
    }
    turn(rows, size, k, c, s);
  }
}

/** The eigenvalue of the last two rows that is nearer to the last entry. */
function shiftOf(diagonal: Float64Array, beside: Float64Array, end: number): number {
  const half = (diagonal[end - 1]! - diagonal[end]!) / 2;
  const b = beside[end - 1]!;
  const root = Math.sqrt(half * half + b * b);
  return root === 0 ? diagonal[end]! : diagonal[end]! - (b * b) / (half + (half < 0 ? -root : root));
}

/** Rows k and k + 1, turned. */
function turn(rows: Float64Array, size: number, k: number, c: number, s: number): void {
  const first = k * size;
  const second = first + size;
  for (let j = 0; j < size; j++) {
    const x = rows[first + j]!;
    const y = rows[second + j]!;
    rows[first + j] = c * x + s * y;
    rows[second + j] = c * y - s * x;
  }
}
