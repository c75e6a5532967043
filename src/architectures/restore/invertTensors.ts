import { dtypeNamed } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { TensorDescriptor } from '../../protocol/model';
import type { ConvertedTensor, Piece } from '../convertedTensor';
import { inverseOf, strangeOrder } from './undoOrder';

/** A tensor of a checkpoint, made of tensors of a GGUF file. */
export interface RestoredTensor {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Rows of the file that follow each other; orders of their units are undone, what is added is added to the weights of the file, then maps are undone. */
  readonly rows: readonly ConvertedTensor[];
}

/** Part of a tensor of the checkpoint. */
interface Segment {
  /** First weight, and how many. */
  readonly start: number;
  readonly weights: number;
  readonly rows: ConvertedTensor;
}

/** What the inverse knows; a rule that has anything else is an error. */
const knownMembers: ReadonlySet<string> = new Set([
  'name',
  'shape',
  'columns',
  'pieces',
  'unit',
  'add',
  'map',
]);
const knownOfPieces: ReadonlySet<string> = new Set(['tensor', 'firstRow', 'rows']);

/**
 * The tensors of a checkpoint from those that its conversion makes of them: each row of the file goes back to where it came from.
 * @param converted the conversion of a checkpoint of which only names and shapes are known.
 * @param tensors of the GGUF file by name.
 * @param copies names of tensors that are known to repeat another one.
 * @throws QuantscopeError UNSUPPORTED naming a tensor of the file, and what cannot be undone of it.
 */
export function invertTensors(
  converted: readonly ConvertedTensor[],
  tensors: ReadonlyMap<string, TensorDescriptor>,
  copies: ReadonlySet<string>,
): RestoredTensor[] {
  const segments = new Map<TensorDescriptor, Segment[]>();
  for (const tensor of converted) {
    if (copies.has(tensor.name)) continue;
    for (const [source, segment] of segmentsOf(tensor, tensors.get(tensor.name)!)) {
      const list = segments.get(source);
      if (list) list.push(segment);
      else segments.set(source, [segment]);
    }
  }
  return [...segments].map(([source, parts]) => assembled(source, parts));
}

function* segmentsOf(
  converted: ConvertedTensor,
  tensor: TensorDescriptor,
): Generator<[TensorDescriptor, Segment]> {
  checkKnown(converted, tensor);
  const { columns, unit, add, map, pieces } = converted;
  let row = 0;
  for (const piece of pieces) {
    const { tensor: source, firstRow, rows } = piece;
    if (unit && (row % unit.rows !== 0 || rows % unit.rows !== 0))
      throw cannotUndo(tensor, `its rows are put in order across parts that come from different rows`);
    const place =
      unit?.order === 'transpose' ? transposed(row, rows, columns, unit.rows) : { row, rows, columns };
    checkBlocks(tensor, place.columns);
    const rowsOfFile: ConvertedTensor = {
      name: source.name,
      shape: [place.rows, place.columns],
      columns: place.columns,
      pieces: [{ tensor, firstRow: place.row, rows: place.rows }],
      ...(unit ? { unit: unit.order === 'transpose' ? { ...unit, rows: columns } : unit } : {}),
      ...(add === undefined ? {} : { add: -add }),
      ...(map === undefined ? {} : { map }),
    };
    yield [source, { start: firstRow * columns, weights: rows * columns, rows: rowsOfFile }];
    row += rows;
  }
}

/** The rows of a file whose units `[unit, columns]` are transposed: `[columns, unit]`. */
const transposed = (row: number, rows: number, columns: number, unit: number) => ({
  row: (row / unit) * columns,
  rows: (rows / unit) * columns,
  columns: unit,
});

function checkKnown(converted: ConvertedTensor, tensor: TensorDescriptor): void {
  const { unit, map, pieces, shape } = converted;
  if (String(shape) !== String(tensor.shape))
    throw cannotUndo(tensor, `its shape is [${tensor.shape.join(', ')}] instead of [${shape.join(', ')}]`);
  const strange =
    stranger(converted, knownMembers) ??
    (unit && strangeOrder(unit)) ??
    (map !== undefined && !inverseOf(map) ? map : undefined) ??
    pieces.map((piece: Piece) => stranger(piece, knownOfPieces)).find((name) => name !== undefined);
  if (strange !== undefined)
    throw cannotUndo(tensor, `the rule "${strange}" of its architecture has no inverse here`);
}

/** The first member of a rule that is not known. */
const stranger = (rule: object, known: ReadonlySet<string>): string | undefined =>
  Object.keys(rule).find((name) => !known.has(name));

/** Rows that are read one by one consist of whole blocks. */
function checkBlocks(tensor: TensorDescriptor, columns: number): void {
  const block = dtypeNamed(tensor.dtype)?.block;
  if (block === undefined) throw cannotUndo(tensor, `its type ${tensor.dtype} cannot be decoded`);
  if (columns % block !== 0)
    throw cannotUndo(
      tensor,
      `its blocks of ${block} weights (${tensor.dtype}) reach across rows of the checkpoint`,
    );
}

function assembled(source: TensorDescriptor, parts: readonly Segment[]): RestoredTensor {
  const ordered = [...parts].sort((a, b) => a.start - b.start);
  let end = 0;
  for (const { start, weights, rows } of ordered) {
    if (start !== end)
      throw new QuantscopeError(
        'UNSUPPORTED',
        `The file has ${start > end ? 'no rows for a part' : 'two different sets of rows for a part'} of ${source.name}.`,
        { file: source.file, tensor: rows.pieces[0]!.tensor.name },
      );
    end = start + weights;
  }
  if (end === source.elements)
    return { name: source.name, shape: source.shape, rows: ordered.map(({ rows }) => rows) };
  throw new QuantscopeError('UNSUPPORTED', `The file has only ${end} of ${source.elements} weights of it.`, {
    ...{ file: source.file, tensor: source.name },
  });
}

const cannotUndo = ({ file, name, offset }: TensorDescriptor, why: string): QuantscopeError =>
  new QuantscopeError('UNSUPPORTED', `The tensor cannot be given back to a checkpoint: ${why}.`, {
    ...{ file, tensor: name, offset },
  });
