import type { Grid, Levels, ScaleDtype } from '../../protocol/grids';
import { groupedMatrix, groupsOf } from './groups';

/** Bytes of a scale as it is stored. */
export const scaleBytes: Readonly<Record<ScaleDtype, number>> = {
  ...{ F32: 4, F16: 2, BF16: 2, F8_E8M0: 1, F8_E4M3: 1 },
};

/** Bits of a code. */
export function codeBits(levels: Levels): number {
  switch (levels.kind) {
    case 'integer':
      return levels.bits;
    case 'float':
      return 1 + levels.exponent + levels.mantissa;
    case 'table':
      return 4;
  }
}

/**
 * Bytes of a matrix in a grid, densely packed: codes, scales, zero points (as wide as codes where they are integers, else float32), scales of
 * scales. Layouts may add their own.
 * @param outliers columns that are kept in half precision.
 */
export function gridBytes(grid: Grid, rows: number, columns: number, outliers = 0): number {
  const bits = codeBits(grid.levels);
  const groups = groupsOf(groupedMatrix(grid.group, rows, columns));
  const scales = grid.double
    ? groups + 4 * Math.ceil(groups / grid.double.block) + 4
    : scaleBytes[grid.scale] * groups;
  const zeros = grid.zero === undefined ? 0 : Math.ceil((groups * (grid.zero === 'integer' ? bits : 32)) / 8);
  const kept = outliers * (2 * rows + 4);
  return Math.ceil((rows * columns * bits) / 8) + scales + zeros + (grid.global ? 4 : 0) + kept;
}
