import type { OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { diagonalOf } from '../columns/factor';
import { clipFactors, decodeRows, findParameters, roundWith } from '../grids/roundToNearest';
import type { QuantizedRows } from '../quantized';
import type { MatrixTask, Method } from './method';
import { optionsOf } from './options';
import { searchedWeight } from './speeds';

const options: readonly OptionDescription[] = [
  {
    name: 'steps',
    description: said`How many ranges are tried for each group.`,
    type: 'number',
    default: 64,
    minimum: 2,
    maximum: 256,
  },
  {
    name: 'smallest',
    description: said`The smallest range that is tried, as a fraction of the whole one.`,
    type: 'number',
    default: 0.3,
    minimum: 0.01,
    maximum: 0.99,
  },
  {
    name: 'correct_bias',
    description: said`Whether rows get a bias that restores their mean output.`,
    type: 'boolean',
    default: true,
  },
];

/**
 * Enhanced Clipping and Bias correction: the range of each group is shrunk to where the (weighted) squared error of its weights is least, and
 * what that does to the mean output of each row is given back. Clipping: Banner et al., 2019, Post training 4-bit quantization of convolutional
 * networks; bias correction: Nagel et al., 2019, Data-Free Quantization, equation 17.
 */
export const ecb: Method = {
  id: 'ecb',
  label: 'ECB',
  description: said`Enhanced clipping and bias correction: clips each group where its squared error is least, weighted by importance where there is any, and corrects the mean output of rows where the mean of inputs is known. Never a larger error than rounding to nearest.`,
  evidence: 'none',
  improvedBy: 'importance',
  options,
  version: 1,
  /** Each range is tried with a rounding of its own. */
  coreSeconds: ([rows, columns]) => rows * columns * searchedWeight,
  refuse: ({ grid }) =>
    grid.group === 'tensor'
      ? said`One scale for the whole tensor cannot be clipped by group; choose rows or smaller groups.`
      : undefined,
  open: (task) => {
    const clip = { importance: importanceOf(task), factors: factorsOf(task) };
    const corrects = optionsOf({ options }, task.options)['correct_bias'] === true;
    const mean = corrects ? task.evidence.mean : undefined;
    return Promise.resolve({
      async quantize(values, signal) {
        const [, columns] = task.shape;
        const shape = [values.length / columns, columns] as const;
        const parameters = await findParameters(task.grid, values, shape, task, signal, clip);
        const rows = await roundWith(task.grid, values, shape, parameters, task, signal);
        return mean ? { ...rows, biasCorrection: await biasOf(rows, values, mean, signal) } : rows;
      },
    });
  },
};

/** Mean x² of each column: measured, or the diagonal of H. */
function importanceOf({ evidence: { importance, hessian } }: MatrixTask): Float32Array | undefined {
  return importance ?? (hessian ? Float32Array.from(diagonalOf(hessian)) : undefined);
}

function factorsOf({ options: given, grid }: MatrixTask): Float32Array {
  const value = optionsOf({ options }, given);
  return clipFactors(grid, Number(value['steps']), Number(value['smallest']));
}

/** −Σ (ŵ − w) · E[x] of each row. */
async function biasOf(
  rows: QuantizedRows,
  values: Float32Array,
  mean: Float32Array,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const decoded = await decodeRows(rows, signal);
  return Float32Array.from({ length: rows.rows }, (_, row) => {
    let sum = 0;
    const start = row * rows.columns;
    mean.forEach((x, column) => {
      sum += (values[start + column]! - decoded[start + column]!) * x;
    });
    return sum;
  });
}
