import { loadNative, type ColumnParameters, type HessianFactor } from '../../native';
import type { Grid } from '../../protocol/grids';
import { decodeRows, roundToNearest, type Clip } from '../grids/roundToNearest';
import type { MatrixTask } from '../methods/method';
import type { QuantizedRows } from '../quantized';
import { groupOfColumns, parameterLayout } from './groups';
import { columnState, isAsGood, lossesOf, quantizeColumns, type ScalesOnTheWay } from './quantizeColumns';

/** How scales are found from the weights as earlier columns correct them. */
export interface ScaleSearch {
  /** Columns of a group. */
  readonly group: number;
  /** Columns whose scales are found at a time. */
  readonly columns: number;
  /** Whether groups are columns that are quantized together, whichever these are; else they are consecutive columns. */
  readonly isPermuted: boolean;
  /** Search for the range of each group; importance is by column. */
  readonly clip: Clip | undefined;
}

/** How the rows of a matrix are quantized column by column. */
export interface RowPlan {
  readonly factor: HessianFactor;
  /** How scales are found on the way; undefined where they are before the first column. */
  readonly onTheWay: ScaleSearch | undefined;
  /** Columns that no input reached: their weights become 0. */
  readonly dead: readonly number[];
}

/** Rounded rows with what they decode to, in the groups that the plan has. */
interface Rounded {
  readonly rows: QuantizedRows;
  readonly decoded: Float32Array;
}

/**
 * Quantizes rows column by column; those whose output error is larger than with rounding in the same groups are rounded.
 * @param values `[rows, columns]`, whole groups of rows; dead columns are overwritten.
 * @throws RangeError naming the first weight that is not finite.
 */
export async function quantizeRows(
  task: Pick<MatrixTask, 'grid' | 'range' | 'meanScale'>,
  plan: RowPlan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<QuantizedRows> {
  const { factor } = plan;
  clearColumns(values, factor.columns, plan.dead);
  const { rows: rounded, decoded } = await round(task, plan, values, signal);
  const losses = await lossesOf(factor, values, decoded, signal);
  const state = columnState(factor, values);
  const parameters = parametersOf(rounded, plan);
  const codes = new Uint8Array(values.length);
  const onTheWay = scalesOnTheWay(task.grid, parameters, plan);
  await quantizeColumns(state, { grid: task.grid, parameters, codes, scales: onTheWay }, signal);
  const { scales, zeros } = parameters;
  const found: QuantizedRows = { ...rounded, codes, scales, ...(zeros ? { zeros } : {}) };
  for (let row = 0; row < rounded.rows; row++) {
    if (!isAsGood(state.losses[row]!, losses[row]!)) copyRow(found, rounded, row, plan);
  }
  return found;
}

/** By the grid's rule, or a search from there. */
function scalesOnTheWay(
  grid: Grid,
  parameters: ColumnParameters,
  { onTheWay, factor: { order } }: RowPlan,
): ScalesOnTheWay | undefined {
  if (!onTheWay) return undefined;
  const { group, columns, isPermuted } = onTheWay;
  const clip = clipInOrder(onTheWay.clip, order);
  /** Where the scales of a group of positions are. */
  const groupAt = (position: number): number =>
    Math.floor((isPermuted ? position : (order?.[position] ?? position)) / group);
  const find: ScalesOnTheWay['find'] = async (weights, first, count, signal) => {
    const rows = weights.length / count;
    const groups = Math.ceil(count / group);
    const matrix = { rows, columns: count, groupRows: 1, groupColumns: group };
    const scales = new Float32Array(rows * groups);
    const zeros = parameters.zeros && new Float32Array(rows * groups);
    const found = { scales, zeros, globalScale: parameters.globalScale };
    if (clip) {
      const importance = clip.importance?.subarray(first, first + count);
      await loadNative().clippedParameters(grid, weights, matrix, found, { ...clip, importance }, signal);
    } else {
      await loadNative().gridParameters(grid, weights, matrix, found, undefined, signal);
    }
    const stored = loadNative().storedScales(grid.scale, scales);
    for (let i = 0; i < groups; i++) {
      const at = groupAt(first + i * group);
      for (let row = 0; row < rows; row++) {
        const [from, to] = [row * groups + i, row * parameters.across + at];
        parameters.scales[to] = stored[from]!;
        if (zeros) parameters.zeros[to] = zeros[from]!;
      }
    }
  };
  return { columns, find };
}

function clipInOrder(clip: Clip | undefined, order: Int32Array | undefined): Clip | undefined {
  const importance = clip?.importance;
  if (!importance || !order) return clip;
  return { ...clip, importance: importance.map((_, i) => importance[order[i]!]!) };
}

/** Sets columns of rows to 0. */
export function clearColumns(values: Float32Array, columns: number, dead: readonly number[]): void {
  for (const column of dead) {
    for (let i = column; i < values.length; i += columns) values[i] = 0;
  }
}

/** Rounding to nearest, in groups of consecutive positions where scales are found on the way. */
async function round(
  { grid, range, meanScale }: Pick<MatrixTask, 'grid' | 'range' | 'meanScale'>,
  { factor, onTheWay }: RowPlan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<Rounded> {
  const { columns, order } = factor;
  const shape = [values.length / columns, columns] as const;
  if (!order || !onTheWay?.isPermuted) {
    const rows = await roundToNearest(grid, values, shape, { range, meanScale }, signal);
    return { rows, decoded: await decodeRows(rows, signal) };
  }
  const ordered = toOrder(values, order);
  const rows = await roundToNearest(grid, ordered, shape, { range, meanScale }, signal);
  const decoded = fromOrder(await decodeRows(rows, signal), order);
  const groupOfColumn = groupOfColumns(columns, onTheWay.group, order);
  return { rows: { ...rows, codes: fromOrder(rows.codes, order), groupOfColumn }, decoded };
}

function toOrder(values: Float32Array, order: Int32Array): Float32Array {
  const columns = order.length;
  return values.map((_, i) => values[i - (i % columns) + order[i % columns]!]!);
}

function fromOrder<T extends Float32Array | Uint8Array>(values: T, order: Int32Array): T {
  const columns = order.length;
  const to = values.slice() as T;
  for (let i = 0; i < values.length; i++) to[i - (i % columns) + order[i % columns]!] = values[i]!;
  return to;
}

/** The scales of rounded rows, as the addon finds those of each weight; a copy where they are replaced on the way. */
function parametersOf(rounded: QuantizedRows, { onTheWay, factor }: RowPlan): ColumnParameters {
  const { grid, rows, columns, scales, zeros, globalScale = 0 } = rounded;
  if (!onTheWay) return { scales, zeros, globalScale, ...parameterLayout(grid, rows, columns) };
  return {
    ...{ scales: scales.slice(), zeros: zeros?.slice(), globalScale, groupRows: 1, flat: 0 },
    across: Math.ceil(columns / onTheWay.group),
    groups: groupOfColumns(columns, onTheWay.group, onTheWay.isPermuted ? factor.order : undefined),
  };
}

/** Gives a row the codes, and where these are its own the scales, that rounding gave it. */
function copyRow(to: QuantizedRows, from: QuantizedRows, row: number, { onTheWay }: RowPlan): void {
  const copy = (
    target: Uint8Array | Float32Array,
    source: Uint8Array | Float32Array,
    length: number,
  ): void => {
    target.set(source.subarray(row * length, (row + 1) * length), row * length);
  };
  copy(to.codes, from.codes, from.columns);
  if (!onTheWay) return;
  const groups = Math.ceil(from.columns / onTheWay.group);
  copy(to.scales, from.scales, groups);
  if (to.zeros && from.zeros) copy(to.zeros, from.zeros, groups);
}
