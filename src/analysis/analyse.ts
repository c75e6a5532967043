import type { Model } from '../model/model';
import { loadNative, type ScanOptions, type ScanResult } from '../native';
import type { Histogram, HistogramRequest, OutlierMap, TensorAnalysis } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { addLosses, float32Losses, noLosses, type Float32Losses } from './float32';
import { outlierColumnsOf, profileOf } from './lineProfiles';
import { countBeyond, LineSums } from './lineSums';
import { deadLines, outliersOf } from './outliers';
import { TensorReader, type TensorWork } from './tensorReader';

const percents = [0.1, 1, 50, 99, 99.9];
const defaultBins = 200;
/** Cells of the outlier map in each direction: as many as a panel can show. */
const mapSize = 128;

/** Multiples of σ beyond which weights are counted, and that of columns with outliers. */
const thresholds = [3, 4, 5, 6, 8];
const columnThreshold = 6;

/**
 * Statistics, histogram, outlier map and profiles of a tensor. It is read once where it is at most 128 MiB, else several times. Outlying
 * and dead rows and columns are listed for matrices of at most 4,194,304 of them.
 */
export async function analyseTensor(
  model: Model,
  tensor: TensorDescriptor,
  { bins = defaultBins, range, signal, onProgress }: TensorWork & HistogramRequest = {},
): Promise<TensorAnalysis> {
  const reader = new TensorReader(model, tensor);
  const { rows, columns, elements } = reader;
  const cellRows = Math.max(1, Math.ceil(rows / mapSize));
  const cellColumns = Math.max(1, Math.ceil(columns / mapSize));
  const options = { rows, columns, cellRows, cellColumns, bins, percentiles: percents };
  const { result, losses, sums } =
    elements === 0
      ? { result: emptyScan(options), losses: noLosses, sums: new LineSums(0, 0) }
      : await scan(reader, options, { signal, onProgress });
  const sigma = result.finite === 0 ? NaN : Math.hypot(result.mean, result.standardDeviation);
  const beyond = await beyondOf(reader, sigma, signal);
  const named = outlierColumnsOf(result.columnAbsMax, columnThreshold * sigma);
  const rowProfile = profileOf({ absMax: result.rowAbsMax, ...sums.rows });
  const columnProfile = profileOf({ absMax: result.columnAbsMax, ...sums.columns });
  return {
    tensor: tensor.name,
    statistics: statisticsOf(result, losses),
    histogram: range ? await histogramIn(reader, bins, range, signal) : wholeHistogram(result),
    outliers: mapOf(result, options),
    outlierCounts: {
      ...{ sigma, beyond: thresholds.map((k, i) => ({ k, count: beyond[i]! })) },
      ...(named ? { columns: named } : {}),
    },
    ...(rowProfile ? { rowProfile } : {}),
    ...(columnProfile ? { columnProfile } : {}),
  };
}

const wholeHistogram = ({ min, max, histogram }: ScanResult): Histogram => ({
  ...{ min, max },
  counts: [...histogram],
});

async function beyondOf(
  reader: TensorReader,
  sigma: number,
  signal: AbortSignal | undefined,
): Promise<number[]> {
  const counts = thresholds.map(() => 0);
  for await (const { values } of reader.values(signal)) {
    const found = countBeyond(
      values,
      thresholds.map((k) => k * sigma),
    );
    found.forEach((count, i) => (counts[i]! += count));
  }
  return counts;
}

async function histogramIn(
  reader: TensorReader,
  bins: number,
  { min, max }: { readonly min: number; readonly max: number },
  signal: AbortSignal | undefined,
): Promise<Histogram> {
  const counts = new Float64Array(bins);
  let [below, above] = [0, 0];
  for await (const { values } of reader.values(signal)) {
    below += values.reduce((n, value) => n + (value < min && value !== -Infinity ? 1 : 0), 0);
    above += values.reduce((n, value) => n + (value > max && value !== Infinity ? 1 : 0), 0);
    const inside = values.filter((value) => value >= min && value <= max);
    const found = await loadNative().histogram(inside, min, max, bins);
    found.forEach((count, i) => (counts[i]! += count));
  }
  return { min, max, counts: [...counts], ...(below + above > 0 ? { outside: { below, above } } : {}) };
}

async function scan(
  reader: TensorReader,
  options: ScanOptions,
  { signal, onProgress }: TensorWork,
): Promise<{ result: ScanResult; losses: Float32Losses; sums: LineSums }> {
  const { elements, rows, columns } = reader;
  const running = loadNative().createScan(options);
  const sums = new LineSums(rows, columns);
  let losses = noLosses;
  for await (const slab of reader.values(signal)) {
    losses = addLosses(losses, float32Losses(slab.dtype, slab.data));
    await running.first(slab.values, signal);
    sums.add(slab.values, slab.firstWeight);
    onProgress?.(slab.firstWeight + slab.weights, 2 * elements);
  }
  if (running.turn()) {
    for await (const { values, firstWeight, weights } of reader.values(signal)) {
      await running.second(values, signal);
      onProgress?.(elements + firstWeight + weights, 2 * elements);
    }
  }
  return { result: running.finish(), losses, sums };
}

/** Result of a scan without weights. */
function emptyScan({ rows, columns, cellRows, cellColumns, bins }: ScanOptions): ScanResult {
  const cells = Math.ceil(rows / cellRows) * Math.ceil(columns / cellColumns);
  return {
    ...{ count: 0, finite: 0, zeros: 0, nans: 0, infinities: 0 },
    ...{ min: NaN, max: NaN, absMax: NaN, mean: NaN, standardDeviation: NaN, kurtosis: NaN },
    percentiles: new Float64Array(percents.length).fill(NaN),
    histogram: new Float64Array(bins),
    rowAbsMax: new Float32Array(),
    columnAbsMax: new Float32Array(),
    cellAbsMax: new Float32Array(cells),
  };
}

/** Values that float32 cannot hold were scanned as infinite or as 0. */
function statisticsOf(result: ScanResult, losses: Float32Losses): TensorAnalysis['statistics'] {
  const { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities } = result;
  const percentiles = percents.map((percent, i) => ({ percent, value: result.percentiles[i] ?? NaN }));
  return {
    ...{ count, min, max, mean, standardDeviation, kurtosis, absMax, nans, percentiles },
    zeros: zeros - losses.below,
    infinities: infinities - losses.beyond,
    beyondFloat32: losses.beyond,
    belowFloat32: losses.below,
    roundedIntegers: losses.rounded,
  };
}

type Grid = Pick<OutlierMap, 'rows' | 'columns' | 'cellRows' | 'cellColumns'>;

function mapOf(result: ScanResult, { rows, columns, cellRows, cellColumns }: Grid): OutlierMap {
  return {
    ...{ rows, columns, cellRows, cellColumns },
    mapRows: Math.ceil(rows / cellRows),
    mapColumns: Math.ceil(columns / cellColumns),
    values: [...result.cellAbsMax],
    outlierRows: outliersOf(result.rowAbsMax),
    outlierColumns: outliersOf(result.columnAbsMax),
    deadRows: deadLines(result.rowAbsMax),
    deadColumns: deadLines(result.columnAbsMax),
  };
}
