import { dtypeNamed } from '../model/dtypes';
import { loadNative, type ScanOptions, type ScanResult } from '../native';
import { addLosses, float32Losses, noLosses, type Float32Losses } from './float32';
import type { TensorReader, TensorWork } from './tensorReader';

/** Whether the values of a dtype are counted one by one, so that one pass is enough. */
export function isCounted(dtype: string): boolean {
  const known = dtypeNamed(dtype);
  return known?.block === 1 && known.bitsPerBlock <= 16;
}

/**
 * The weights of a tensor through the scan of the addon. Values of dtypes of at most 16 bits are counted one by one, in one pass; others
 * need a second one for percentiles, a histogram or thresholds.
 * @returns the figures, and what float32 made of weights of larger dtypes: they are scanned as infinite or as 0.
 */
export async function scanWeights(
  reader: TensorReader,
  options: ScanOptions,
  { signal, onProgress }: TensorWork = {},
): Promise<{ result: ScanResult; losses: Float32Losses }> {
  const { elements } = reader;
  if (elements === 0) return { result: emptyScan(options), losses: noLosses };
  const running = loadNative().createScan(options);
  let losses = noLosses;
  for await (const { dtype, data, firstWeight, weights } of reader.passing(signal)) {
    losses = addLosses(losses, float32Losses(dtype, data));
    await running.first(data, signal);
    onProgress?.(firstWeight + weights, 2 * elements);
  }
  if (running.turn()) {
    for await (const { data, firstWeight, weights } of reader.passing(signal)) {
      await running.second(data, signal);
      onProgress?.(elements + firstWeight + weights, 2 * elements);
    }
  }
  return { result: running.finish(), losses };
}

/** Result of a scan without weights. */
function emptyScan({
  rows,
  columns,
  cellRows,
  cellColumns,
  bins,
  percentiles,
  thresholds,
}: ScanOptions): ScanResult {
  const cells = Math.ceil(rows / cellRows) * Math.ceil(columns / cellColumns);
  const none = { absMax: NaN, mean: NaN, standardDeviation: NaN, kurtosis: NaN, rms: NaN };
  return {
    ...{ count: 0, finite: 0, zeros: 0, nans: 0, infinities: 0, below: 0, above: 0 },
    ...{ min: NaN, max: NaN, ...none },
    percentiles: new Float64Array(percentiles.length).fill(NaN),
    histogram: new Float64Array(bins),
    beyond: new Float64Array(thresholds.length),
    ...{ rowAbsMax: new Float32Array(), columnAbsMax: new Float32Array() },
    ...{ rowRms: new Float32Array(), columnRms: new Float32Array() },
    cellAbsMax: new Float32Array(cells),
  };
}
