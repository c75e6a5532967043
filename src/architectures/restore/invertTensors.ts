import { dtypeNamed } from '../../model/dtypes';
import { QuantscopeError } from '../../model/errors';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { ConvertedTensor, Piece } from '../convertedTensor';
import type { RestoredRows } from './restoredRows';
import { partsOfUnits, stepped, woven, type Strand } from './strands';
import { inverseOf, strangeOrder } from './undoOrder';

/** A tensor of a checkpoint, made of tensors of a GGUF file. */
export interface RestoredTensor {
  readonly name: string;
  /** Outermost dimension first. */
  readonly shape: readonly number[];
  /** Rows of the file that follow each other; orders of their units are undone, what is added is added to the weights of the file, then maps are undone. */
  readonly rows: readonly RestoredRows[];
}

/** Part of a tensor of the checkpoint. */
interface Segment {
  /** First weight, and how many. */
  readonly start: number;
  readonly weights: number;
  readonly rows: RestoredRows;
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
const knownOfPieces: ReadonlySet<string> = new Set(['tensor', 'firstRow', 'rows', 'step']);

/**
 * The tensors of a checkpoint from those that its conversion makes of them: each row of the file goes back to where it came from.
 * @param converted the conversion of a checkpoint of which only names and shapes are known.
 * @param tensors of the GGUF file by name.
 * @param copies names of tensors that are known to repeat another one.
 * @param unused name of a tensor of the checkpoint whose first rows no result depends on: where the file lacks them, its first row stands for them.
 * @throws QuantscopeError UNSUPPORTED naming a tensor of the file, and what cannot be undone of it.
 */
export function invertTensors(
  converted: readonly ConvertedTensor[],
  tensors: ReadonlyMap<string, TensorDescriptor>,
  copies: ReadonlySet<string>,
  unused = '',
): RestoredTensor[] {
  const segments = new Map<TensorDescriptor, Segment[]>();
  const strands = new Map<TensorDescriptor, Strand[]>();
  for (const tensor of converted) {
    if (copies.has(tensor.name)) continue;
    const file = tensors.get(tensor.name)!;
    checkKnown(tensor, file);
    const strand = partsOfUnits(tensor, file) ?? stepped(tensor, file);
    if (strand) append(strands, tensor.pieces[0]!.tensor, strand);
    else for (const [source, segment] of segmentsOf(tensor, file)) append(segments, source, segment);
  }
  for (const [source, list] of strands) {
    for (const { tensor, columns } of list) checkBlocks(tensor, columns);
    append(segments, source, { start: 0, weights: source.elements, rows: woven(source, list) });
  }
  return [...segments].map(([source, parts]) => assembled(source, parts, unused));
}

function append<Key, Value>(lists: Map<Key, Value[]>, key: Key, value: Value): void {
  const list = lists.get(key);
  if (list) list.push(value);
  else lists.set(key, [value]);
}

function* segmentsOf(
  converted: ConvertedTensor,
  tensor: TensorDescriptor,
): Generator<[TensorDescriptor, Segment]> {
  const { columns, unit, add, map, pieces } = converted;
  const left = unit?.columns ? 'columns' : pieces.some(({ step }) => step !== undefined) ? 'step' : undefined;
  if (left !== undefined) throw noInverse(tensor, left);
  let row = 0;
  for (const piece of pieces) {
    const { tensor: source, firstRow, rows } = piece;
    if (unit && (row % unit.rows !== 0 || rows % unit.rows !== 0))
      throw cannotUndo(tensor, said`its rows are put in order across parts that come from different rows`);
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
  if (String(inFile(shape)) !== String(inFile(tensor.shape)))
    throw cannotUndo(
      tensor,
      said`its shape is [${tensor.shape.join(', ')}] instead of [${shape.join(', ')}]`,
    );
  const strange =
    stranger(converted, knownMembers) ??
    (unit && strangeOrder(unit)) ??
    (map !== undefined && !inverseOf(map) ? map : undefined) ??
    pieces.map((piece: Piece) => stranger(piece, knownOfPieces)).find((name) => name !== undefined);
  if (strange !== undefined) throw noInverse(tensor, strange);
}

/** A shape without outermost sizes of 1, which files do not state. */
const inFile = (shape: readonly number[]): readonly number[] => {
  const first = shape.findIndex((size) => size !== 1);
  return first < 0 ? [1] : shape.slice(first);
};

/** The first member of a rule that is not known. */
const stranger = (rule: object, known: ReadonlySet<string>): string | undefined =>
  Object.keys(rule).find((name) => !known.has(name));

/** Rows that are read one by one consist of whole blocks. */
function checkBlocks(tensor: TensorDescriptor, columns: number): void {
  const block = dtypeNamed(tensor.dtype)?.block;
  if (block === undefined) throw cannotUndo(tensor, said`its type ${tensor.dtype} cannot be decoded`);
  if (columns % block !== 0)
    throw cannotUndo(
      tensor,
      said`its blocks of ${block} weights (${tensor.dtype}) reach across rows of the checkpoint`,
    );
}

function assembled(source: TensorDescriptor, parts: readonly Segment[], unused: string): RestoredTensor {
  const known = [...parts].sort((a, b) => a.start - b.start);
  const ordered = source.name === unused ? [...repeatedBefore(known[0]!), ...known] : known;
  let end = 0;
  for (const { start, weights, rows } of ordered) {
    if (start !== end)
      throw new QuantscopeError(
        'UNSUPPORTED',
        start > end
          ? said`The file has no rows for a part of ${source.name}.`
          : said`The file has two different sets of rows for a part of ${source.name}.`,
        { file: source.file, tensor: rows.pieces[0]!.tensor.name },
      );
    end = start + weights;
  }
  if (end === source.elements)
    return { name: source.name, shape: source.shape, rows: ordered.map(({ rows }) => rows) };
  throw new QuantscopeError(
    'UNSUPPORTED',
    said`The file has only ${end} of ${source.elements} weights of it.`,
    {
      ...{ file: source.file, tensor: source.name },
    },
  );
}

/** Copies of the first row for the rows before it. */
function repeatedBefore({ start, rows }: Segment): Segment[] {
  const { columns, pieces } = rows;
  const piece = { ...pieces[0]!, rows: 1 };
  return Array.from({ length: start / columns }, (_, row) => ({
    ...{ start: row * columns, weights: columns },
    rows: { ...rows, shape: [1, columns], pieces: [piece] },
  }));
}

const noInverse = (tensor: TensorDescriptor, rule: string): QuantscopeError =>
  cannotUndo(tensor, said`the rule "${rule}" of its architecture has no inverse here`);

const cannotUndo = ({ file, name, offset }: TensorDescriptor, why: string): QuantscopeError =>
  new QuantscopeError('UNSUPPORTED', said`The tensor cannot be given back to a checkpoint: ${why}.`, {
    ...{ file, tensor: name, offset },
  });
