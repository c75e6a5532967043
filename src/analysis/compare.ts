import type { Model } from '../model/model';
import { loadNative, type ErrorSums, type TensorRange } from '../native';
import type { FormatComparison, TensorComparison } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import type { QuantFormat } from '../quant/format';
import { addSums, errorMetrics, noSums } from './metrics';
import { measureSlab } from './measureRows';
import { floatsOf, TensorReader, type TensorWork } from './tensorReader';

/** Bins of a comparison's histograms unless a request says otherwise. */
const defaultBins = 160;

/** One format's running totals over the slabs of a tensor. */
interface Running {
  readonly format: QuantFormat;
  sums: ErrorSums;
  readonly counts: Float64Array;
}

/**
 * Error, exact size and histogram of a tensor in each of the formats: encoded, decoded and compared slab by slab, nothing
 * written. All histograms share the source's range. Formats that do not fit are rejected with a reason.
 */
export async function compareFormats(
  model: Model,
  tensor: TensorDescriptor,
  formats: readonly QuantFormat[],
  { bins = defaultBins, signal, onProgress }: TensorWork & { bins?: number } = {},
): Promise<TensorComparison> {
  const refused = formats.flatMap((format) => {
    const reason = format.refuse(tensor.shape);
    return reason === undefined ? [] : [{ format: format.id, reason }];
  });
  const running = formats
    .filter((format) => format.refuse(tensor.shape) === undefined)
    .map((format): Running => ({ format, sums: noSums, counts: new Float64Array(bins) }));
  const source = new Float64Array(bins);
  const reader = new TensorReader(model, tensor);
  const total = reader.elements * (2 + running.length);
  const range = await reader.range({ signal, onProgress: (done) => onProgress?.(done, total) });
  let done = reader.elements;
  for await (const slab of reader.slabs(signal)) {
    const tell = (): void => onProgress?.((done += slab.weights), total);
    await addHistogram(source, await floatsOf(slab, signal), range);
    tell();
    for (const entry of running) {
      const { counts, format } = entry;
      const options = { histogram: { range, counts }, signal };
      entry.sums = addSums(entry.sums, await measureSlab(reader, slab, format, range, options));
      tell();
    }
  }
  const limits = reader.elements === 0 ? { min: NaN, max: NaN } : range;
  return {
    tensor: tensor.name,
    sourceBytes: tensor.byteLength,
    histogram: { ...limits, counts: [...source] },
    formats: running.map((entry) => finish(entry, tensor, limits)),
    refused,
  };
}

async function addHistogram(
  total: Float64Array,
  values: Float32Array,
  { min, max }: TensorRange,
): Promise<void> {
  const counts = await loadNative().histogram(values, min, max, total.length);
  counts.forEach((count, bin) => (total[bin]! += count));
}

function finish(
  { format, sums, counts }: Running,
  tensor: TensorDescriptor,
  range: TensorRange,
): FormatComparison {
  return {
    format: format.id,
    bytes: format.bytes(tensor.shape),
    bitsPerWeight: format.bitsPerWeight(tensor.shape),
    error: errorMetrics(sums),
    histogram: { ...range, counts: [...counts] },
  };
}
