import { loadNative, type ColumnParameters, type HessianFactor } from '../../native';
import type { Grid } from '../../protocol/grids';
import { decodeRows, roundToNearest } from '../grids/roundToNearest';
import type { MatrixTask } from '../methods/method';
import type { QuantizedRows } from '../quantized';
import { groupOfColumns, parameterLayout } from './groups';
import { columnState, lossesOf, quantizeColumns, type ScalesOnTheWay } from './quantizeColumns';

/** How the rows of a matrix are quantized column by column. */
export interface RowPlan {
  readonly factor: HessianFactor;
  /** Where scales are found on the way: columns of a group, and those whose scales are found at a time. */
  readonly onTheWay: { readonly group: number; readonly columns: number } | undefined;
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
  const onTheWay = plan.onTheWay && scalesOnTheWay(task.grid, parameters, plan.onTheWay);
  await quantizeColumns(state, { grid: task.grid, parameters, codes, scales: onTheWay }, signal);
  const { scales, zeros } = parameters;
  const found: QuantizedRows = { ...rounded, codes, scales, ...(zeros ? { zeros } : {}) };
  for (let row = 0; row < rounded.rows; row++) {
    if (losses[row]! < state.losses[row]!) copyRow(found, rounded, row, plan);
  }
  return found;
}

/** By the grid's rule. */
function scalesOnTheWay(
  grid: Grid,
  parameters: ColumnParameters,
  { group, columns }: NonNullable<RowPlan['onTheWay']>,
): ScalesOnTheWay {
  const find: ScalesOnTheWay['find'] = async (weights, first, count, signal) => {
    const rows = weights.length / count;
    const groups = Math.ceil(count / group);
    const matrix = { rows, columns: count, groupRows: 1, groupColumns: group };
    const scales = new Float32Array(rows * groups);
    const zeros = parameters.zeros && new Float32Array(rows * groups);
    const found = { scales, zeros, globalScale: parameters.globalScale };
    await loadNative().gridParameters(grid, weights, matrix, found, undefined, signal);
    const stored = loadNative().storedScales(grid.scale, scales);
    for (let row = 0; row < rows; row++) {
      const [start, end, to] = [row * groups, (row + 1) * groups, row * parameters.across + first / group];
      parameters.scales.set(stored.subarray(start, end), to);
      if (zeros) parameters.zeros.set(zeros.subarray(start, end), to);
    }
  };
  return { columns, find };
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
  if (!order || !onTheWay) {
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
    groups: groupOfColumns(columns, onTheWay.group, factor.order),
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
