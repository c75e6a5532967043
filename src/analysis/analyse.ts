import type { Model } from '../model/model';
import { readAs } from '../model/rows';
import type { ScanOptions, ScanResult } from '../native';
import type { Histogram, HistogramRequest, OutlierMap, TensorAnalysis } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { outlierColumnsOf, profileOf } from './lineProfiles';
import { deadLines, outliersOf } from './outliers';
import { isCounted, scanWeights } from './scanWeights';
import { statisticsOf } from './statistics';
import { TensorReader, type TensorWork } from './tensorReader';

const percents = [0.1, 1, 50, 99, 99.9];
const defaultBins = 200;
/** Cells of the outlier map in each direction: as many as a panel can show. */
const mapSize = 128;
/** Multiples of σ beyond which weights are counted, and that of columns with outliers. */
const thresholds = [3, 4, 5, 6, 8];
const columnThreshold = 6;

/**
 * Statistics, histogram, outlier map and profiles of a tensor. It is read once where it is at most 128 MiB or its dtype has at most 16 bits,
 * else twice. Outlying and dead rows and columns are listed for matrices of at most 4,194,304 of them.
 */
export async function analyseTensor(
  model: Model,
  tensor: TensorDescriptor,
  { bins = defaultBins, range, signal, onProgress }: TensorWork & HistogramRequest = {},
): Promise<TensorAnalysis> {
  const { dtype } = readAs(tensor);
  const reader = new TensorReader(model, tensor, { holds: !isCounted(dtype) });
  const { rows, columns } = reader;
  const cellRows = Math.max(1, Math.ceil(rows / mapSize));
  const cellColumns = Math.max(1, Math.ceil(columns / mapSize));
  const options = {
    ...{ dtype, rows, columns, cellRows, cellColumns, bins, range },
    ...{ percentiles: percents, thresholds },
  };
  const { result, losses } = await scanWeights(reader, options, { signal, onProgress });
  const rowProfile = profileOf(result.rowAbsMax, result.rowRms);
  const columnProfile = profileOf(result.columnAbsMax, result.columnRms);
  return {
    tensor: tensor.name,
    statistics: statisticsOf(result, losses, percents),
    histogram: histogramOf(result, options),
    outliers: mapOf(result, options),
    outlierCounts: countsOf(result),
    ...(rowProfile ? { rowProfile } : {}),
    ...(columnProfile ? { columnProfile } : {}),
  };
}

function histogramOf(
  { min, max, histogram, below, above }: ScanResult,
  { range }: Pick<ScanOptions, 'range'>,
): Histogram {
  const outside = below + above > 0 ? { outside: { below, above } } : {};
  return { ...(range ?? { min, max }), counts: [...histogram], ...outside };
}

function countsOf({ rms, beyond, columnAbsMax }: ScanResult): TensorAnalysis['outlierCounts'] {
  const columns = outlierColumnsOf(columnAbsMax, columnThreshold * rms);
  return {
    sigma: rms,
    beyond: thresholds.map((k, i) => ({ k, count: beyond[i]! })),
    ...(columns ? { columns } : {}),
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
