import { throwIfCancelled } from '../../model/errors';
import { loadNative } from '../../native';
import { normals } from '../normals';
import type { Differences, DifferenceSums } from './differences';
import { symmetricEigen } from './eigen';

/** Products of row-major matrices in float32. */
export interface Products {
  /** A · B of A `[rows, inner]` and B `[inner, columns]`. */
  multiply(a: Float32Array, b: Float32Array, inner: number): Promise<Float32Array>;
  /** Aᵀ · B of A `[rows, inner]` and B `[rows, columns]`. */
  multiplyTransposed(a: Float32Array, b: Float32Array, rows: number): Promise<Float32Array>;
}

/** Singular values that are looked for, and directions more than that, which make them exact enough. */
export const soughtValues = 128;
const oversampling = 16;

/** Directions of a smaller share of the largest singular value are rounding of float32. */
export const leastShare = 1e-6;

export interface SingularValues {
  /** Descending. */
  readonly values: Float64Array;
  /** Whether these are all. */
  readonly isComplete: boolean;
}

/**
 * The largest singular values of B − A, by subspace iteration on random directions: the matrix is passed over four times, a few rows at a time.
 * All of a matrix that has at most 144 rows or columns, exact to float32; of a larger one the first 128, those of a slowly falling spectrum a
 * few per cent too small.
 * @param sums of the differences; added to in the first pass.
 * @param onPass after each pass: how many are done, out of how many.
 * @see N. Halko, P. G. Martinsson, J. A. Tropp, Finding structure with randomness (2011), algorithm 4.4
 */
export async function singularValues(
  matrix: Differences,
  products: Products,
  sums: DifferenceSums,
  {
    signal,
    onPass,
  }: { signal?: AbortSignal | undefined; onPass?: (done: number, total: number) => void } = {},
): Promise<SingularValues> {
  const { rows, columns } = matrix;
  const directions = Math.min(soughtValues + oversampling, rows, columns);
  let basis = normals(columns * directions);
  let projected = basis;
  for (let round = 0; round < 2; round++) {
    const across = await timesBasis(matrix, basis, products, signal, round === 0 ? sums : undefined);
    onPass?.(2 * round + 1, 4);
    const left = await orthonormal(across, basis.length / columns, products, signal);
    if (left.length === 0) return { values: new Float64Array(0), isComplete: true };
    projected = await transposedTimes(matrix, left, products, signal);
    onPass?.(2 * round + 2, 4);
    if (round === 0) basis = await orthonormal(projected, left.length / rows, products, signal);
  }
  const found = projected.length / columns;
  const { values } = symmetricEigen(await gramOf(projected, found, signal), found);
  const isComplete = found < directions || directions === Math.min(rows, columns);
  return {
    values: values
      .map((value) => Math.sqrt(Math.max(0, value)))
      .subarray(0, isComplete ? found : soughtValues),
    isComplete,
  };
}

/** D · basis, `[rows, directions]`. */
async function timesBasis(
  matrix: Differences,
  basis: Float32Array,
  products: Products,
  signal: AbortSignal | undefined,
  sums: DifferenceSums | undefined,
): Promise<Float32Array> {
  const { rows, columns } = matrix;
  const directions = basis.length / columns;
  const product = new Float32Array(rows * directions);
  for await (const chunk of matrix.chunks(signal, sums))
    product.set(await products.multiply(chunk.values, basis, columns), chunk.first * directions);
  return product;
}

/** Dᵀ · left, `[columns, directions]`; sums over chunks of rows are in float64. */
async function transposedTimes(
  matrix: Differences,
  left: Float32Array,
  products: Products,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const directions = left.length / matrix.rows;
  const sum = new Float64Array(matrix.columns * directions);
  for await (const { first, rows, values } of matrix.chunks(signal)) {
    const own = left.subarray(first * directions, (first + rows) * directions);
    const part = await products.multiplyTransposed(values, own, rows);
    for (let i = 0; i < sum.length; i++) sum[i]! += part[i]!;
  }
  return Float32Array.from(sum);
}

/**
 * Orthonormal columns of the same span, without those that are linear combinations of others but for rounding; by the eigenvectors of the Gram
 * matrix, twice, as the first time is exact only to the square root of the precision.
 * @param vectors `[length, count]`.
 */
async function orthonormal(
  vectors: Float32Array,
  count: number,
  products: Products,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  let [current, width] = [vectors, count];
  for (let time = 0; time < 2 && width > 0; time++) {
    throwIfCancelled(signal);
    const { values, vectors: turned } = symmetricEigen(await gramOf(current, width, signal), width);
    const kept = values.filter((value) => value > leastShare ** 2 * values[0]! && value > 0).length;
    const turn = new Float32Array(width * kept);
    for (let from = 0; from < width; from++)
      for (let to = 0; to < kept; to++)
        turn[from * kept + to] = turned[to * width + from]! / Math.sqrt(values[to]!);
    current = kept === 0 ? new Float32Array(0) : await products.multiply(current, turn, width);
    width = kept;
  }
  return current;
}

/** Products of all pairs of columns of `[rows, columns]`. */
async function gramOf(
  matrix: Float32Array,
  columns: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const gram = new Float64Array(columns * columns);
  await loadNative().accumulateGram(matrix, columns, gram, signal);
  return gram;
}
