import type { ConvertedTensor } from '../architectures/convertedTensor';
import { matrixOf } from '../model/rows';
import type { Model } from '../model/openModel';
import { loadNative, type ErrorSums, type TensorRange } from '../native';
import type { FormatComparison, TensorComparison } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import type { QuantFormat } from '../quant/format';
import { addSums, errorMetrics, noSums } from './metrics';
import { readableSlabs } from './convertedRows';
import { readableRows, tensorRange } from './slabs';

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
 * written. All histograms share the source's range.
 */
export async function compareFormats(
  model: Model,
  tensor: TensorDescriptor,
  formats: readonly QuantFormat[],
  options: { bins?: number; signal?: AbortSignal } = {},
): Promise<TensorComparison> {
  const bins = options.bins ?? defaultBins;
  const range = await tensorRange(model, tensor, options.signal);
  const refused = formats.flatMap((format) => {
    const reason = format.refuse(tensor.shape);
    return reason === undefined ? [] : [{ format: format.id, reason }];
  });
  const running = formats
    .filter((format) => format.refuse(tensor.shape) === undefined)
    .map((format): Running => ({ format, sums: noSums, counts: new Float64Array(bins) }));
  const source = new Float64Array(bins);
  const { columns } = matrixOf(tensor.shape);
  for await (const { rows, bytes } of readableRows(model, tensor, options.signal)) {
    const values = new Float32Array(rows * columns);
    await loadNative().decode(tensor.dtype, bytes, values, options.signal);
    await addHistogram(source, values, range);
    for (const entry of running) {
      const { scheme } = entry.format;
      const measured = { counts: entry.counts, signal: options.signal };
      const sums = await loadNative().measureRows(tensor.dtype, bytes, columns, scheme, range, measured);
      entry.sums = addSums(entry.sums, sums);
    }
  }
  return {
    tensor: tensor.name,
    sourceBytes: tensor.byteLength,
    histogram: { ...range, counts: [...source] },
    formats: running.map((entry) => finish(entry, tensor, range)),
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

/** Error sums of one tensor, as the exported file will have it, in one format, computed by the addon. */
export async function measureFormat(
  model: Model,
  tensor: ConvertedTensor,
  format: QuantFormat,
  range: TensorRange,
  signal?: AbortSignal,
): Promise<ErrorSums> {
  const { columns } = matrixOf(tensor.shape);
  let sums = noSums;
  for await (const { dtype, data } of readableSlabs(model, tensor, signal)) {
    const measured = await loadNative().measureRows(dtype, data, columns, format.scheme, range, { signal });
    sums = addSums(sums, measured);
  }
  return sums;
}
