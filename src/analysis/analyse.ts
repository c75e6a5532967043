import { matrixOf } from '../model/rows';
import type { Model } from '../model/openModel';
import { loadNative, type ScanResult } from '../native';
import type { OutlierMap, TensorAnalysis } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { deadLines, outliersOf } from './outliers';
import { decodeSlabs } from './slabs';

const percents = [0.1, 1, 50, 99, 99.9];
const defaultBins = 200;
/** Cells of the outlier map in each direction: what a panel can show. */
const mapSize = 128;
const previewRows = 32;
const previewColumns = 16;

/** Statistics, histogram, outlier map and first values of a tensor, in two passes over its slabs. */
export async function analyseTensor(
  model: Model,
  tensor: TensorDescriptor,
  options: { bins?: number; signal?: AbortSignal; onProgress?: (done: number, total: number) => void } = {},
): Promise<TensorAnalysis> {
  const { rows, columns } = matrixOf(tensor.shape);
  const cellRows = Math.max(1, Math.ceil(rows / mapSize));
  const cellColumns = Math.max(1, Math.ceil(columns / mapSize));
  const bins = options.bins ?? defaultBins;
  const scan = loadNative().createScan({ rows, columns, cellRows, cellColumns, bins, percentiles: percents });
  const preview: number[] = [];
  for (const pass of ['first', 'second'] as const) {
    for await (const { firstRow, rows: count, values } of decodeSlabs(model, tensor, options.signal)) {
      if (pass === 'first') takePreview(preview, values, firstRow, count, columns);
      await scan[pass](values);
      options.onProgress?.(firstRow + count + (pass === 'second' ? rows : 0), 2 * rows);
    }
  }
  const result = scan.finish();
  return {
    tensor: tensor.name,
    statistics: statisticsOf(result),
    histogram: { min: result.min, max: result.max, counts: [...result.histogram] },
    outliers: mapOf(result, { rows, columns, cellRows, cellColumns }),
    preview: {
      rows: Math.min(rows, previewRows),
      columns: Math.min(columns, previewColumns),
      values: preview,
    },
  };
}

function takePreview(
  preview: number[],
  values: Float32Array,
  firstRow: number,
  rows: number,
  columns: number,
): void {
  for (let row = firstRow; row < Math.min(firstRow + rows, previewRows); row++) {
    const start = (row - firstRow) * columns;
    preview.push(...values.subarray(start, start + Math.min(columns, previewColumns)));
  }
}

function statisticsOf(result: ScanResult): TensorAnalysis['statistics'] {
  const { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities } = result;
  const percentiles = percents.map((percent, i) => ({ percent, value: result.percentiles[i] ?? NaN }));
  return { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities, percentiles };
}

type Grid = Pick<OutlierMap, 'rows' | 'columns' | 'cellRows' | 'cellColumns'>;

function mapOf(result: ScanResult, grid: Grid): OutlierMap {
  return {
    ...grid,
    mapRows: Math.ceil(grid.rows / grid.cellRows),
    mapColumns: Math.ceil(grid.columns / grid.cellColumns),
    values: [...result.cellAbsMax],
    outlierRows: outliersOf(result.rowAbsMax),
    outlierColumns: outliersOf(result.columnAbsMax),
    deadRows: deadLines(result.rowAbsMax),
    deadColumns: deadLines(result.columnAbsMax),
  };
}
