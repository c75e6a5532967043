import {
  loadNative,
  type ErrorSums,
  type MeasuredRows,
  type MeasureOptions,
  type TensorRange,
} from '../native';
import { BadWeightError } from '../quant/badWeight';
import type { QuantFormat } from '../quant/format';
import { addSums, noSums } from './metrics';
import { floatsOf, type TensorReader, type TensorSlab } from './tensorReader';
import { decodeEncoded, encodeIn } from '../quant/codec';

/** Weights of a grid that are processed at a time: few enough for the caches. */
const sliceWeights = 1 << 18;

/**
 * Error sums of a slab in a format, computed by the addon.
 * @param range of the whole tensor, used where the format needs it.
 * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite.
 */
export async function measureSlab(
  reader: TensorReader,
  slab: TensorSlab,
  format: QuantFormat,
  range: TensorRange,
  options: MeasureOptions = {},
): Promise<ErrorSums> {
  const { bad, ...sums } = await measureRows(format, slab, range, options);
  if (bad) throw reader.badWeight(slab, bad);
  return sums;
}

/** The same of any whole rows: those of ggml types in a fused pass, those of grids slice by slice. */
export async function measureRows(
  format: QuantFormat,
  rows: Omit<TensorSlab, 'firstWeight'>,
  range: TensorRange,
  options: MeasureOptions = {},
): Promise<MeasuredRows> {
  const { dtype, data, columns, weights } = rows;
  const { scheme } = format;
  if (scheme.kind === 'ggml') return loadNative().measureRows(dtype, data, columns, scheme.type, options);
  const perSlice = Math.max(1, Math.floor(sliceWeights / columns)) * columns;
  const weightBytes = data.length / weights;
  let sums = noSums;
  for (let first = 0; first < weights; first += perSlice) {
    const count = Math.min(perSlice, weights - first);
    const bytes = data.subarray(first * weightBytes, (first + count) * weightBytes);
    const values = await floatsOf({ dtype, data: bytes, weights: count }, options.signal);
    try {
      sums = addSums(sums, await measureValues(format, values, columns, range, options));
    } catch (error) {
      if (!(error instanceof BadWeightError)) throw error;
      return { ...sums, bad: { ...error.bad, index: first + error.bad.index } };
    }
  }
  return { ...sums, bad: undefined };
}

/** @throws BadWeightError for the first weight that is not finite. */
async function measureValues(
  format: QuantFormat,
  values: Float32Array,
  columns: number,
  range: TensorRange,
  { histogram, signal }: MeasureOptions,
): Promise<ErrorSums> {
  const native = loadNative();
  const decoded = await decodeEncoded(await encodeIn(format, values, columns, range, { signal }), signal);
  if (histogram) {
    const { range: whole, counts } = histogram;
    const found = await native.histogram(decoded, whole.min, whole.max, counts.length);
    found.forEach((count, bin) => (counts[bin]! += count));
  }
  return native.errorSums(values, decoded);
}
