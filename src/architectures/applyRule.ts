import { elementsOf } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';
import { partOf, type ConvertedTensor, type Piece } from './convertedTensor';
import type { RowRange, TensorRule } from './description';
import type { MatchedRule } from './matchRules';

/**
 * The tensor of the file that a rule makes of tensors of the checkpoint.
 * @param file path of config.json, for errors.
 */
export function applyRule({ rule, tensors }: MatchedRule, file: string): ConvertedTensor {
  const sourceColumns = columnsOf(rule, tensors[0]!);
  const pieces = piecesOf(tensors, sourceColumns, rule.rows);
  const picked = rule.unit?.order === 'transpose' ? rule.unit.columns : undefined;
  const columns = picked?.count ?? sourceColumns;
  const shape = shapeOf(rule, pieces, columns);
  const rows = pieces.reduce((sum, piece) => sum + piece.rows, 0);
  if (rows * columns !== elementsOf(shape) || (rule.unit && rows % rule.unit.rows !== 0)) {
    const message = said`${rows} rows of ${columns} weights do not form [${shape.join(', ')}].`;
    throw new QuantscopeError('INTERNAL', message, { file, tensor: rule.to });
  }
  const { unit, add, map, factors } = rule;
  return {
    name: rule.to,
    shape,
    columns,
    pieces,
    ...(unit ? { unit } : {}),
    ...(add === undefined ? {} : { add }),
    ...(map === undefined ? {} : { map }),
    ...(factors === undefined ? {} : { factors }),
  };
}

/** Entries of a vector are rows of one weight where the rule moves them. */
function columnsOf({ rows, unit, from, byEntry }: TensorRule, { shape }: TensorDescriptor): number {
  const moved = rows !== undefined || unit !== undefined || from.length > 1;
  return byEntry || (shape.length === 1 && moved) ? 1 : (shape[shape.length - 1] ?? 1);
}

function piecesOf(
  tensors: readonly TensorDescriptor[],
  columns: number,
  ranges: readonly RowRange[] | undefined,
): Piece[] {
  const whole = tensors.map((tensor) => ({ tensor, firstRow: 0, rows: tensor.elements / columns }));
  return ranges ? ranges.flatMap((range) => cut(whole, range)) : whole;
}

/** The parts of pieces that a range of their consecutively numbered rows covers. */
function cut(pieces: readonly Piece[], { first, count, step = 1 }: RowRange): Piece[] {
  let start = 0;
  return pieces.flatMap((piece) => {
    const [from, to] = [start, start + piece.rows].map((row) =>
      Math.min(count, Math.max(0, Math.ceil((row - first) / step))),
    ) as [number, number];
    const before = first + from * step - start;
    start += piece.rows;
    return to > from ? [{ ...partOf(piece, before, to - from), ...(step === 1 ? {} : { step }) }] : [];
  });
}

function shapeOf({ shape }: TensorRule, pieces: readonly Piece[], columns: number): number[] {
  const known = shape.reduce<number>((product, size) => (size === 'any' ? product : product * size), 1);
  const elements = columns * pieces.reduce((sum, { rows }) => sum + rows, 0);
  return shape.map((size) => (size === 'any' ? elements / known : size));
}
