import type { ColumnParameters } from '../../native';
import type { Grid } from '../../protocol/grids';
import { groupedMatrix } from '../grids/groups';

/**
 * Columns of a group, where rows have several and their scales can be found on the way; undefined for other grids.
 * @param isOrdered whether groups would be of columns in another order, which blocks of the flattened tensor cannot be.
 */
export function groupColumns(
  { group, double }: Grid,
  columns: number,
  isOrdered: boolean,
): number | undefined {
  if (double) return undefined;
  const isFlat = !isOrdered && typeof group === 'object' && 'flat' in group && columns % group.flat === 0;
  const length = isFlat ? group.flat : group;
  return typeof length === 'number' && length < columns ? length : undefined;
}

/** Columns that are worked on together: about `wanted`, whole groups where their scales are found on the way. */
export function blockColumns(wanted: number, group: number | undefined): number {
  return group === undefined ? wanted : Math.max(group, Math.floor(wanted / group) * group);
}

/** Group in its row of each column. @param order column at each position; groups are consecutive positions. */
export function groupOfColumns(columns: number, group: number, order: Int32Array | undefined): Int32Array {
  const groups = new Int32Array(columns);
  for (let i = 0; i < columns; i++) groups[order?.[i] ?? i] = Math.floor(i / group);
  return groups;
}

/** Where the scales of each weight of some rows are, of groups as the grid has them. */
export function parameterLayout(
  { group }: Grid,
  rows: number,
  columns: number,
): Omit<ColumnParameters, 'scales' | 'zeros' | 'globalScale'> {
  if (typeof group === 'object' && 'flat' in group) {
    return { groupRows: 1, across: 0, flat: group.flat };
  }
  const matrix = groupedMatrix(group, rows, columns);
  const groups = groupOfColumns(columns, matrix.groupColumns, undefined);
  return {
    ...{ groupRows: matrix.groupRows, flat: 0, groups },
    across: Math.ceil(columns / matrix.groupColumns),
  };
}
