import { QuantscopeError } from '../../model/errors';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { ConvertedTensor } from '../convertedTensor';
import type { RestoredRows } from './restoredRows';

/** A tensor of a file that has a part of each unit of a tensor of the checkpoint: one of two matrices that lie side by side or in turn. */
export interface Strand {
  readonly tensor: TensorDescriptor;
  /** Rows of the file that a unit has, beginning with which of the unit, and from one to the next. */
  readonly count: number;
  readonly first: number;
  readonly step: number;
  readonly units: number;
  /** Weights of a row of the file. */
  readonly columns: number;
  /** Rows that all strands of a unit have together. */
  readonly unitRows: number;
}

/** A tensor that has some columns of transposed matrices; undefined for any other. */
export function partsOfUnits(
  { unit, pieces, columns }: ConvertedTensor,
  tensor: TensorDescriptor,
): Strand | undefined {
  if (unit?.order !== 'transpose' || !unit.columns) return undefined;
  const [piece, ...others] = pieces;
  if (others.length > 0 || piece!.firstRow > 0 || piece!.step !== undefined) return undefined;
  const { first, step = 1 } = unit.columns;
  const unitRows = piece!.tensor.shape.at(-1)!;
  return {
    tensor,
    count: columns,
    first,
    step,
    units: piece!.rows / unit.rows,
    columns: unit.rows,
    unitRows,
  };
}

/** A tensor that has every so manyth row of one tensor; undefined for any other. */
export function stepped(
  { unit, pieces, columns }: ConvertedTensor,
  tensor: TensorDescriptor,
): Strand | undefined {
  const [piece, ...others] = pieces;
  if (unit || others.length > 0 || piece?.step === undefined) return undefined;
  const { rows, firstRow: first, step } = piece;
  return { tensor, count: rows, first, step, units: 1, columns, unitRows: piece.tensor.elements / columns };
}

/**
 * The rows of a tensor of the checkpoint from its strands: those of a unit one after the other, which then take turns where they lie in turn,
 * and are transposed.
 * @throws QuantscopeError UNSUPPORTED where strands do not make up whole units.
 */
export function woven(source: TensorDescriptor, strands: readonly Strand[]): RestoredRows {
  const ordered = [...strands].sort((a, b) => a.first - b.first);
  const { count, step, units, columns, unitRows, tensor } = ordered[0]!;
  const isTurn = step > 1;
  const fits = ordered.every(
    (strand, index) =>
      strand.first === (isTurn ? index : index * count) &&
      [strand.count === count, strand.step === step, strand.units === units].every(Boolean),
  );
  if (!fits || ordered.length * count !== unitRows || (isTurn && ordered.length !== step))
    throw new QuantscopeError('UNSUPPORTED', said`The file does not have all rows of ${source.name}.`, {
      ...{ file: source.file, tensor: tensor.name, offset: tensor.offset },
    });
  const pieces = Array.from({ length: units }, (_, unit) =>
    ordered.map((strand) => ({ tensor: strand.tensor, firstRow: unit * count, rows: count })),
  ).flat();
  return {
    ...{ name: source.name, shape: [units * unitRows, columns], columns, pieces },
    unit: { rows: unitRows, order: 'transpose' },
    ...(isTurn ? { strands: ordered.length } : {}),
  };
}
