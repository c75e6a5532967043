import type { Grid } from '../../protocol/grids';
import type { MethodOptions, OptionDescription } from '../../protocol/recipe';
import { said } from '../../protocol/said';
import { quantizeBlocks, refuseBlocks, typeBlock, type BlockPlan } from '../columns/blocks';
import { deadColumns, diagonalOf, factorOf } from '../columns/factor';
import { blockColumns, groupColumns } from '../columns/groups';
import { quantizeRows, type RowPlan, type ScaleSearch } from '../columns/rows';
import { clipFactors, type Clip } from '../grids/roundToNearest';
import type { BlockTask, MatrixTask, Method } from './method';
import { optionsOf } from './options';
import { requireHessian } from './required';
import { factorSeconds, product, searchedWeight } from './speeds';

const options: readonly OptionDescription[] = [
  {
    name: 'damping',
    description: said`Added to the diagonal of the Hessian, as a share of its mean.`,
    ...{ type: 'number', default: 0.01, minimum: 0, maximum: 1 },
  },
  {
    name: 'act_order',
    description: said`Columns in falling order of the mean square of their inputs.`,
    ...{ type: 'boolean', default: true },
  },
  {
    name: 'group_aware',
    description: said`With act_order, groups stay consecutive columns: they are ordered as a whole, and so are the columns inside of each (act_group_aware). Else files need the group of each column (desc_act).`,
    ...{ type: 'boolean', default: true },
  },
  {
    name: 'static_groups',
    description: said`Scales from the weights as they are, before any column is quantized.`,
    ...{ type: 'boolean', default: false },
  },
  {
    name: 'group_scales',
    description: said`Without static groups, the weights that scales are fitted to: as all earlier columns correct them, or only those of earlier blocks (as published).`,
    ...{ type: 'choice', default: 'corrected', choices: ['corrected', 'reference'] },
  },
  {
    name: 'clip',
    description: said`Without static groups, ranges of groups are shrunk to where the squared error of their weights, weighted by their inputs, is least.`,
    ...{ type: 'boolean', default: true },
  },
  {
    name: 'block_size',
    description: said`Columns between updates of all that follow.`,
    ...{ type: 'number', default: 128, minimum: 8, maximum: 1024 },
  },
];

interface Options {
  readonly damping: number;
  readonly actOrder: boolean;
  readonly groupAware: boolean;
  readonly staticGroups: boolean;
  readonly reference: boolean;
  readonly clip: boolean;
  readonly block: number;
}

function chosenOf(given: MethodOptions): Options {
  const value = optionsOf({ options }, given);
  return {
    damping: Number(value['damping']),
    actOrder: value['act_order'] === true,
    groupAware: value['group_aware'] === true,
    staticGroups: value['static_groups'] === true,
    reference: value['group_scales'] === 'reference',
    clip: value['clip'] === true,
    block: Math.round(Number(value['block_size'])),
  };
}

/**
 * GPTQ (Frantar et al. 2023, arXiv:2210.17323): columns one after the other, each weight to its nearest code, and its error made up for by the
 * columns that follow, as the Hessian XᵀX of the inputs says. Rows whose output error would be larger than with rounding are rounded.
 */
export const gptq: Method = {
  id: 'gptq',
  label: 'GPTQ',
  description: said`Quantizes column after column and corrects the remaining weights for each error, by the Hessian of the inputs.`,
  evidence: 'hessian',
  options,
  version: 2,
  /** Half of the columns of each row are updated after each column; the Hessian is factorized once. */
  coreSeconds: ([rows, columns]) =>
    rows * columns * searchedWeight + 0.5 * rows * columns ** 2 * product + factorSeconds(columns),
  refuse: ({ grid }) =>
    grid.outliers ? said`GPTQ cannot keep outlier columns in half precision.` : undefined,
  async open(task, signal) {
    const plan = await planOf(task, signal);
    return {
      quantize: (values, signal) => quantizeRows(task, plan, values, signal),
    };
  },
  permutes: (task) => groupsOf(task, chosenOf(task.options)).isPermuted,
  blocks: {
    refuse: refuseBlocks,
    async open(task, signal) {
      const plan = await blockPlanOf(task, signal);
      return { quantize: (values, _, signal) => quantizeBlocks(task.type, plan, values, signal) };
    },
  },
};

/** Columns of a group whose scales are found on the way, and whether groups are columns that follow each other by importance. */
function groupsOf(
  { grid, shape }: Pick<MatrixTask, 'grid' | 'shape'>,
  { actOrder, groupAware, staticGroups }: Options,
): { readonly group: number | undefined; readonly isPermuted: boolean } {
  const byImportance = actOrder && !groupAware;
  const group = staticGroups ? undefined : groupColumns(grid, shape[1], byImportance);
  return { group, isPermuted: byImportance && group !== undefined };
}

async function planOf(task: MatrixTask, signal?: AbortSignal): Promise<RowPlan> {
  const chosen = chosenOf(task.options);
  const { damping, actOrder, groupAware, reference, clip, block } = chosen;
  const { group, isPermuted } = groupsOf(task, chosen);
  const hessian = requireHessian(task, 'GPTQ');
  const length = blockColumns(block, group);
  const order = !actOrder ? 'none' : groupAware && group !== undefined ? group : 'importance';
  const factor = await factorOf(hessian, { damping, order, block: length }, task.name, signal);
  const search = (group: number): ScaleSearch => ({
    ...{ group, columns: reference ? length : group, isPermuted },
    clip: clip ? clipOf(task.grid, hessian) : undefined,
  });
  const onTheWay = group === undefined ? undefined : search(group);
  return { factor, onTheWay, dead: deadColumns(hessian) };
}

/** Ranges that are tried, weighted by the diagonal of the Hessian. */
function clipOf(grid: Grid, hessian: Float64Array): Clip {
  return { factors: clipFactors(grid), importance: Float32Array.from(diagonalOf(hessian)) };
}

/** Blocks hold consecutive columns, so that their scales are found before all columns where these have another order. */
async function blockPlanOf(task: BlockTask, signal?: AbortSignal): Promise<BlockPlan> {
  const { damping, actOrder, staticGroups, reference, block } = chosenOf(task.options);
  const unit = staticGroups || actOrder ? undefined : typeBlock(task.type);
  const hessian = requireHessian(task, 'GPTQ');
  const length = blockColumns(block, unit);
  const factor = await factorOf(
    hessian,
    { damping, order: actOrder ? 'importance' : 'none', block: length },
    task.name,
    signal,
  );
  const columns = unit === undefined ? undefined : reference ? length : unit;
  const importance = Float32Array.from(diagonalOf(hessian));
  return { factor, importance, columns, dead: deadColumns(hessian) };
}
