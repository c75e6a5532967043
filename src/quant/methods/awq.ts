import { QuantscopeError } from '../../model/errors';
import { loadNative } from '../../native';
import type { MethodOptions, OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { clipRows } from '../awq/clip';
import { searchScales } from '../awq/scaleSearch';
import { roundToNearest } from '../grids/roundToNearest';
import type { MatrixTask, Method, ScaledMatrix } from './method';
import { optionsOf } from './options';
import { requireInputs } from './required';
import { sampledWeight } from './speeds';

const options: readonly OptionDescription[] = [
  {
    name: 'ratios',
    description: said`How many mixtures of inputs and weights are tried as scales of columns.`,
    ...{ type: 'number', default: 20, minimum: 1, maximum: 100 },
  },
  {
    name: 'duo_scaling',
    description: said`Scales depend on the weights, too, not on the inputs alone.`,
    ...{ type: 'boolean', default: true },
  },
  {
    name: 'clip',
    description: said`Limits the range of each group where that brings the outputs nearer.`,
    ...{ type: 'boolean', default: true },
  },
  {
    name: 'max_shrink',
    description: said`Most that a range shrinks by, as a share, in steps of a twentieth.`,
    ...{ type: 'number', default: 0.5, minimum: 0.05, maximum: 1 },
  },
];

/** Steps of the whole range in the search for limits. */
const clipSteps = 20;

/**
 * AWQ (Lin et al. 2023, arXiv:2306.00978): columns whose inputs are large are scaled up before rounding, and limited ranges of groups. In a
 * model the scales are folded into the weights before (`evaluation/foldedScales.ts`); a matrix alone keeps them.
 */
export const awq: Method = {
  id: 'awq',
  label: 'AWQ',
  description: said`Scales columns by the size of their inputs before rounding and limits the ranges of groups, each by the error of the outputs on sampled inputs.`,
  evidence: 'activations',
  options,
  version: 1,
  /** Each scale and each limit is tried with a rounding of its own. */
  coreSeconds: ([rows, columns]) => rows * columns * sampledWeight,
  refuse({ grid }) {
    if (grid.outliers) return said`AWQ cannot keep outlier columns in half precision.`;
    if (grid.group === 'tensor' || grid.global)
      return said`AWQ needs scales of rows or of groups: one scale for the tensor would follow the scaled columns.`;
    return undefined;
  },
  async open(task, signal) {
    const inputs = requireInputs(task, 'AWQ');
    const scales = task.scalesFolded
      ? undefined
      : await columnScales([ownMatrix(task, inputs)], task.options, signal);
    const columns = task.shape[1];
    const seen = scales ? inputs.map((x, i) => x / scales[i % columns]!) : inputs;
    return {
      async quantize(values, quantizeSignal) {
        const scaled = scales ? await loadNative().scaleColumns(values, scales, quantizeSignal) : values;
        const clipped = await clippedRows(task, scaled, seen, quantizeSignal);
        const shape = [values.length / columns, columns] as const;
        const rounded = await roundToNearest(task.grid, clipped, shape, task, quantizeSignal);
        return scales ? { ...rounded, columnScales: scales } : rounded;
      },
    };
  },
  columnScales,
};

async function columnScales(
  matrices: readonly ScaledMatrix[],
  given: MethodOptions,
  signal?: AbortSignal,
): Promise<Float32Array> {
  const value = optionsOf({ options }, given);
  const search = { ratios: Number(value['ratios']), duoScaling: value['duo_scaling'] === true };
  return (await searchScales(matrices, search, signal)).scales;
}

function ownMatrix({ grid, shape, weights }: MatrixTask, inputs: Float32Array): ScaledMatrix {
  if (weights) return { grid, columns: shape[1], weights, inputs };
  throw new QuantscopeError('INTERNAL', said`AWQ of a matrix alone must be able to read all of its weights.`);
}

function clippedRows(
  { grid, shape, options: given }: MatrixTask,
  values: Float32Array,
  inputs: Float32Array,
  signal: AbortSignal | undefined,
): Promise<Float32Array> {
  const value = optionsOf({ options }, given);
  if (value['clip'] !== true) return Promise.resolve(values);
  const clip = { steps: clipSteps, shrink: Number(value['max_shrink']) };
  return clipRows(grid, values, shape[1], inputs, clip, signal);
}
