import type { Model } from '../model/model';
import { loadNative, type ScanOptions, type ScanResult } from '../native';
import type { OutlierMap, TensorAnalysis } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { addLosses, float32Losses, noLosses, type Float32Losses } from './float32';
import { deadLines, outliersOf } from './outliers';
import { TensorReader, type TensorWork } from './tensorReader';

const percents = [0.1, 1, 50, 99, 99.9];
const defaultBins = 200;
/** Cells of the outlier map in each direction: as many as a panel can show. */
const mapSize = 128;

/**
 * Statistics, histogram and outlier map of a tensor. It is read once where it is at most 128 MiB or its values have at
 * most 10 bits of mantissa (F16, BF16, 8-bit floats), else twice. Outlying and dead rows and columns are listed for matrices
 * of at most 4,194,304 of them.
 */
export async function analyseTensor(
  model: Model,
  tensor: TensorDescriptor,
  { bins = defaultBins, signal, onProgress }: TensorWork & { bins?: number } = {},
): Promise<TensorAnalysis> {
  const reader = new TensorReader(model, tensor);
  const { rows, columns, elements } = reader;
  const cellRows = Math.max(1, Math.ceil(rows / mapSize));
  const cellColumns = Math.max(1, Math.ceil(columns / mapSize));
  const options = { rows, columns, cellRows, cellColumns, bins, percentiles: percents };
  const { result, losses } =
    elements === 0
      ? { result: emptyScan(options), losses: noLosses }
      : await scan(reader, options, { signal, onProgress });
  return {
    tensor: tensor.name,
    statistics: statisticsOf(result, losses),
    histogram: { min: result.min, max: result.max, counts: [...result.histogram] },
    outliers: mapOf(result, options),
  };
}

async function scan(
  reader: TensorReader,
  options: ScanOptions,
  { signal, onProgress }: TensorWork,
): Promise<{ result: ScanResult; losses: Float32Losses }> {
  const { elements } = reader;
  const running = loadNative().createScan(options);
  let losses = noLosses;
  for await (const slab of reader.values(signal)) {
    losses = addLosses(losses, float32Losses(slab.dtype, slab.data));
    await running.first(slab.values, signal);
    onProgress?.(slab.firstWeight + slab.weights, 2 * elements);
  }
  if (running.turn()) {
    for await (const { values, firstWeight, weights } of reader.values(signal)) {
      await running.second(values, signal);
      onProgress?.(elements + firstWeight + weights, 2 * elements);
    }
  }
  return { result: running.finish(), losses };
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
