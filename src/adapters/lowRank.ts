import type { WeightChange } from './weightChanges';

/** The low-rank change of a tensor as it is stored: `alpha / divisor · left · right`. */
export interface LowRank {
  readonly rows: number;
  readonly columns: number;
  readonly rank: number;
  readonly alpha: number;
  readonly divisor: number;
  /** `[rows, rank]`. */
  readonly left: Float32Array;
  /** `[rank, columns]`. */
  readonly right: Float32Array;
}

/** Reads the factors of a change; undefined where the tensor is replaced only. @throws QuantscopeError as `Adapter.floats`. */
export async function readLowRank(
  { adapter, change, tensor, isTransposed }: WeightChange,
  signal?: AbortSignal,
): Promise<LowRank | undefined> {
  if (!change) return undefined;
  const [rows = 0, columns = 0] = tensor.shape;
  const { rank, alpha, divisor } = change;
  const [a, b] = await Promise.all(
    [change.a, change.b].map((factor) => adapter.floats(factor, undefined, signal)),
  );
  const [left, right] = isTransposed ? [transposed(a!, rank, rows), transposed(b!, columns, rank)] : [b!, a!];
  return { rows, columns, rank, alpha, divisor, left, right };
}

/** `[rows, columns]` as `[columns, rows]`. */
export function transposed(values: Float32Array, rows: number, columns: number): Float32Array {
  const turned = new Float32Array(values.length);
  for (let row = 0; row < rows; row++)
    for (let column = 0; column < columns; column++)
      turned[column * rows + row] = values[row * columns + column]!;
  return turned;
}

/**
 * Adds weighted changes to consecutive weights of a tensor, in place. Sums are in float64 and in the order of changes and ranks, so that a
 * weight does not depend on which others are computed with it.
 * @param values of the base, from weight `first` of the tensor on.
 */
export function addChanges(
  values: Float32Array,
  first: number,
  columns: number,
  changes: readonly { readonly lowRank: LowRank; readonly weight: number }[],
): void {
  const sums = new Float64Array(Math.min(columns, values.length));
  for (let at = 0; at < values.length;) {
    const row = Math.floor((first + at) / columns);
    const column = (first + at) % columns;
    const count = Math.min(columns - column, values.length - at);
    for (let i = 0; i < count; i++) sums[i] = values[at + i]!;
    for (const { lowRank, weight } of changes) addRow(sums, row, column, count, lowRank, weight);
    for (let i = 0; i < count; i++) values[at + i] = sums[i]!;
    at += count;
  }
}

/** Four ranks go through a row together: the sums are read and written once for them, and added to in the same order. */
function addRow(
  sums: Float64Array,
  row: number,
  column: number,
  count: number,
  { left, right, rank, columns, alpha, divisor }: LowRank,
  weight: number,
): void {
  const scale = weight * (alpha / divisor);
  const factor = (k: number): number => scale * left[row * rank + k]!;
  let k = 0;
  for (; k + 4 <= rank; k += 4) {
    const [f0, f1, f2, f3] = [factor(k), factor(k + 1), factor(k + 2), factor(k + 3)];
    let at = k * columns + column;
    for (let i = 0; i < count; i++, at++) {
      const two = sums[i]! + f0 * right[at]! + f1 * right[at + columns]!;
      sums[i] = two + f2 * right[at + 2 * columns]! + f3 * right[at + 3 * columns]!;
    }
  }
  for (; k < rank; k++) {
    const own = factor(k);
    const start = k * columns + column;
    for (let i = 0; i < count; i++) sums[i] = sums[i]! + own * right[start + i]!;
  }
}
