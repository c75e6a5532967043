import type { GroupedMatrix } from '../../native';
import type { Grid, GroupShape } from '../../protocol/grids';

/** Whole rows of a matrix as rectangles of weights that share a scale. Blocks of the flattened tensor are groups of one long row. */
export function groupedMatrix(group: GroupShape, rows: number, columns: number): GroupedMatrix {
  if (group === 'tensor') return { rows, columns, groupRows: Math.max(1, rows), groupColumns: columns };
  if (group === 'row') return { rows, columns, groupRows: 1, groupColumns: columns };
  if (typeof group === 'number') return { rows, columns, groupRows: 1, groupColumns: group };
  if ('flat' in group) return { rows: 1, columns: rows * columns, groupRows: 1, groupColumns: group.flat };
  return { rows, columns, groupRows: group.rows, groupColumns: group.columns };
}

/** Groups of so many rows. */
export function groupsOf({ rows, columns, groupRows, groupColumns }: GroupedMatrix): number {
  return Math.ceil(rows / groupRows) * Math.ceil(columns / groupColumns);
}

/**
 * Rows that slabs of a matrix must be multiples of (but for the last), so that none cuts a group, nor a block of quantized scales.
 * @param columns at least 1.
 */
export function wholeRows({ group, double }: Grid, columns: number): number {
  const perScale = double?.block ?? 1;
  if (group === 'tensor') return 1;
  if (group === 'row') return perScale;
  if (typeof group === 'number') return sharedMultiple(Math.ceil(columns / group), perScale);
  if ('flat' in group) return sharedMultiple(columns, group.flat * perScale);
  return group.rows * sharedMultiple(Math.ceil(columns / group.columns), perScale);
}

/** How many times `step` makes a multiple of `block`. */
const sharedMultiple = (step: number, block: number): number => block / greatestCommonDivisor(step, block);

/** The largest integer that divides both; that of 0 and a number is the number. */
export function greatestCommonDivisor(a: number, b: number): number {
  return b === 0 ? a : greatestCommonDivisor(b, a % b);
}
