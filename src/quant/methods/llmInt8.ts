import { loadNative } from '../../native';
import type { OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { roundToNearest } from '../grids/roundToNearest';
import type { QuantizedRows } from '../quantized';
import type { MatrixTask, Method } from './method';
import { optionsOf } from './options';
import { requireLargest } from './required';
import { roundedWeight } from './speeds';

const threshold = 'threshold';

const options: readonly OptionDescription[] = [
  {
    name: threshold,
    description: said`Columns whose inputs reach this magnitude are kept in half precision.`,
    ...{ type: 'number', default: 6, minimum: 0, maximum: 1e6 },
  },
];

/**
 * LLM.int8 (Dettmers et al. 2022, arXiv:2208.07339): columns whose inputs have outliers stay in half precision, all others are rounded with one
 * scale for each row. The library finds outliers again in each batch while a model runs; here they are those of the calibration text.
 */
export const llmInt8: Method = {
  id: 'llm-int8',
  label: 'LLM.int8',
  description: said`Keeps the columns whose inputs have outliers on a calibration text in half precision; rounds all others with one scale for each row.`,
  evidence: 'importance',
  options,
  version: 1,
  coreSeconds: ([rows, columns]) => rows * columns * roundedWeight,
  refuse: ({ grid }) =>
    grid.outliers
      ? undefined
      : said`LLM.int8 needs a grid that keeps columns in half precision ("outliers").`,
  open: (task) =>
    new Promise((resolve) => {
      const columns = outlierColumns(task);
      resolve({ quantize: (values, signal) => quantize(task, columns, values, signal) });
    }),
};

/** @throws QuantscopeError REQUEST where the inputs were not measured: outliers of inputs cannot be told from the weights. */
function outlierColumns(task: MatrixTask): Int32Array {
  const largest = requireLargest(task, 'LLM.int8');
  const limit = Number(optionsOf({ options }, task.options)[threshold]);
  return Int32Array.from([...largest.keys()].filter((column) => largest[column]! >= limit));
}

async function quantize(
  { grid, shape: [, columns], ...ofMatrix }: MatrixTask,
  outliers: Int32Array,
  values: Float32Array,
  signal: AbortSignal | undefined,
): Promise<QuantizedRows> {
  const rows = values.length / columns;
  const halves = loadNative().storedScales('F16', values);
  const kept = new Float32Array(rows * outliers.length);
  for (let row = 0; row < rows; row++)
    outliers.forEach((column, i) => {
      const at = row * columns + column;
      kept[row * outliers.length + i] = halves[at]!;
      if (Number.isFinite(halves[at])) halves[at] = 0;
    });
  const rounded = await roundToNearest(grid, halves, [rows, columns], ofMatrix, signal);
  return { ...rounded, outliers: { columns: outliers, values: kept } };
}
