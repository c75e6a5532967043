import { ggmlType } from '../model/dtypes';
import { matrixOf } from '../model/rows';
import type { Scheme } from '../protocol/formats';
import type { Grid } from '../protocol/grids';
import { codeBits, scaleBytes } from './grids/gridSize';

/** What a scheme writes of rows of a given length. */
export interface RowLayout {
  /** Bytes of the codes of a row; 4-bit codes are two to a byte, and so on, and each row begins on a byte. */
  readonly codeBytes: number;
  /** Scales of a row; 0 where one scale serves the whole tensor, or blocks contain theirs. */
  readonly groups: number;
}

/** @throws RangeError for a type that ggml does not have. */
export function rowLayout(scheme: Scheme, columns: number): RowLayout {
  if (scheme.kind === 'ggml') return { codeBytes: blockBytes(scheme.type, columns), groups: 0 };
  const { grid } = scheme;
  const length = groupLength(grid, columns);
  return {
    codeBytes: Math.ceil((columns * codeBits(grid.levels)) / 8),
    groups: grid.group === 'tensor' ? 0 : Math.ceil(columns / length),
  };
}

/** Consecutive weights of a row of `columns` that share a scale; the last group may be shorter. For groups that lie in rows. */
export function groupLength({ group }: Grid, columns: number): number {
  if (typeof group === 'string') return columns;
  if (typeof group === 'number') return Math.min(group, columns);
  return 'flat' in group ? Math.min(group.flat, columns) : Math.min(group.columns, columns);
}

function blockBytes(name: string, columns: number): number {
  const type = ggmlType(name);
  if (!type) throw new RangeError(`${name} is not a ggml type`);
  return (columns / type.block) * (type.bitsPerBlock / 8);
}

/** Scales, or zero points, of a matrix in a grid. */
export function parameterCount(grid: Grid, rows: number, columns: number): number {
  return rows * rowLayout({ kind: 'grid', grid }, columns).groups || 1;
}

/** Bytes of a zero point: integers are a byte each, others float32. */
export const zeroBytes = ({ zero }: Grid): number => (zero === undefined ? 0 : zero === 'integer' ? 1 : 4);

/** Exact bytes that a scheme writes for a tensor: codes, scales and zero points. */
export function schemeBytes(scheme: Scheme, shape: readonly number[]): number {
  const { rows, columns } = matrixOf(shape);
  const codes = rows * rowLayout(scheme, columns).codeBytes;
  if (scheme.kind === 'ggml') return codes;
  const { grid } = scheme;
  const perGroup = scaleBytes[grid.scale] + zeroBytes(grid);
  return codes + parameterCount(grid, rows, columns) * perGroup + (grid.global ? 4 : 0);
}

/** Weights that must divide a row: the block of a ggml type, or of a grid whose blocks would cross the ends of rows; 1 otherwise. */
export function rowMultiple(scheme: Scheme): number {
  if (scheme.kind === 'ggml') return ggmlType(scheme.type)?.block ?? 1;
  const { group } = scheme.grid;
  return typeof group === 'object' && 'flat' in group ? group.flat : 1;
}
