import type { EncodeOptions, TensorRange } from '../native';
import { BadWeightError } from './badWeight';
import type { QuantFormat } from './format';
import { decodeEncoded, encodeIn } from './codec';

/** Weights encoded at a time. */
const sliceWeights = 1 << 20;

/**
 * Replaces whole rows by what a format stores of them: encoded and decoded, in place.
 * @param values `[rows, columns]`.
 * @param range extremes of the whole tensor, which per-tensor scales come from.
 * @throws BadWeightError for the first weight that is not finite.
 */
export async function fakeQuantize(
  format: QuantFormat,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  options: EncodeOptions = {},
): Promise<void> {
  const perSlice = Math.max(1, Math.floor(sliceWeights / columns)) * columns;
  for (let first = 0; first < values.length; first += perSlice) {
    const slice = values.subarray(first, Math.min(values.length, first + perSlice));
    const encoded = await encodeIn(format, slice, columns, range, options).catch((error: unknown) => {
      throw shifted(error, first);
    });
    slice.set(await decodeEncoded(encoded, options.signal));
  }
}

const shifted = (error: unknown, first: number): unknown =>
  error instanceof BadWeightError
    ? new BadWeightError({ ...error.bad, index: first + error.bad.index })
    : error;
