import { loadNative, type TensorRange } from '../native';
import type { QuantFormat } from './format';
import { allocateRows } from './schemeFormat';

/** Weights encoded at a time. */
const sliceWeights = 1 << 20;

/**
 * Replaces whole rows by what a format stores of them: encoded and decoded, in place.
 * @param values `[rows, columns]`.
 * @param range extremes of the whole tensor, which per-tensor scales come from.
 * @param importance one weight per column (an importance matrix), for formats that take it.
 * @throws RangeError naming the first weight that is not finite.
 */
export async function fakeQuantize(
  { scheme }: QuantFormat,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  importance?: Float32Array,
  signal?: AbortSignal,
): Promise<void> {
  const native = loadNative();
  const perSlice = Math.max(1, Math.floor(sliceWeights / columns)) * columns;
  for (let first = 0; first < values.length; first += perSlice) {
    const slice = values.subarray(first, Math.min(values.length, first + perSlice));
    const encoded = allocateRows(scheme, slice.length / columns, columns);
    const bad = await native.encodeRows(scheme, slice, columns, range, { ...encoded, importance }, signal);
    if (bad) throw new RangeError(`weight ${first + bad.index} is ${bad.kind}`);
    await native.decodeRows(scheme, encoded, columns, slice, signal);
  }
}
