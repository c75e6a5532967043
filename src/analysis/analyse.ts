import type { Model } from '../model/openModel';
import { loadNative, type ScanOptions, type ScanResult } from '../native';
import type { OutlierMap, TensorAnalysis } from '../protocol/analysis';
import type { TensorDescriptor } from '../protocol/model';
import { deadLines, outliersOf } from './outliers';
import { TensorReader, type TensorSlab, type TensorWork } from './tensorReader';

const percents = [0.1, 1, 50, 99, 99.9];
const defaultBins = 200;
/** Cells of the outlier map in each direction: as many as a panel can show. */
const mapSize = 128;
const previewRows = 32;
const previewColumns = 16;

/**
 * Statistics, histogram, outlier map and first values of a tensor. It is read once where it is at most 128 MiB or its values have at
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
  const preview = new Preview(rows, columns);
  const result =
    elements === 0 ? emptyScan(options) : await scan(reader, options, preview, { signal, onProgress });
  return {
    tensor: tensor.name,
    statistics: statisticsOf(result),
    histogram: { min: result.min, max: result.max, counts: [...result.histogram] },
    outliers: mapOf(result, options),
    preview: preview.finish(),
  };
}

async function scan(
  reader: TensorReader,
  options: ScanOptions,
  preview: Preview,
  { signal, onProgress }: TensorWork,
): Promise<ScanResult> {
  const { elements } = reader;
  const running = loadNative().createScan(options);
  for await (const slab of reader.values(signal)) {
    preview.take(slab);
    await running.first(slab.values, signal);
    onProgress?.(slab.firstWeight + slab.weights, 2 * elements);
  }
  if (running.turn()) {
    for await (const { values, firstWeight, weights } of reader.values(signal)) {
      await running.second(values, signal);
      onProgress?.(elements + firstWeight + weights, 2 * elements);
    }
  }
  return running.finish();
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

/** The first weights of the first rows. */
class Preview {
  private readonly shown: { readonly rows: number; readonly columns: number };
  private readonly values: number[] = [];

  constructor(
    rows: number,
    private readonly columns: number,
  ) {
    this.shown = { rows: Math.min(rows, previewRows), columns: Math.min(columns, previewColumns) };
  }

  /** Slabs come in their order. */
  take({ firstWeight, weights, values }: TensorSlab & { readonly values: Float32Array }): void {
    const { rows, columns } = this.shown;
    for (let next = this.values.length; next < rows * columns; next++) {
      const at = Math.floor(next / columns) * this.columns + (next % columns) - firstWeight;
      if (at >= weights) return;
      this.values.push(values[at]!);
    }
  }

  finish(): TensorAnalysis['preview'] {
    return { ...this.shown, values: this.values };
  }
}

function statisticsOf(result: ScanResult): TensorAnalysis['statistics'] {
  const { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities } = result;
  const percentiles = percents.map((percent, i) => ({ percent, value: result.percentiles[i] ?? NaN }));
  return { count, min, max, mean, standardDeviation, kurtosis, absMax, zeros, nans, infinities, percentiles };
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
