import type { ConvertedTensor } from '../architectures/convertedTensor';
import type { GgufView } from '../architectures/ggufView';
import { blockTaps } from '../graph/transformer/blockGraph';
import type { BlockShape } from '../graph/transformer/blockShape';
import type { DecoderShape } from '../graph/transformer/decoderShape';
import type { Giver, Tap } from '../graph/transformer/graphParts';
import { elementsOf } from '../model/dtypes';
import { matrixOf } from '../model/rows';
import type { TensorTransform } from '../quant/transforms';

/** A tensor in GGUF's view; one expert of those that are merged in it, or all. */
export interface FoldedPart {
  readonly tensor: string;
  readonly expert?: number;
}

/**
 * Weights that can be multiplied and divided by the same factors, one for each channel between them, without a change of what the model
 * computes: the columns of the users, and the rows or entries of the giver.
 */
export interface Fold {
  readonly channels: number;
  readonly giver: FoldedPart & { readonly firstRow: number };
  readonly users: readonly FoldedPart[];
}

/** All folds of a model, from the graphs of its blocks: those of one block follow each other. */
export const foldsOf = ({ blocks }: Pick<DecoderShape, 'blocks'>): Fold[] => blocks.flatMap(foldsOfBlock);

function foldsOfBlock(block: BlockShape): Fold[] {
  const { dense, ofExpert } = blockTaps(block);
  const named = (part: string, expert?: number): FoldedPart => ({
    tensor: `blk.${block.index}.${part}`,
    ...(expert === undefined ? {} : { expert }),
  });
  const folds = new Map<string, Fold>();
  const add = ({ parts, others, giver, columns }: Tap, expert?: number): void => {
    if (!giver) return;
    const users = [...parts, ...others].map((part) => named(part, expert));
    const key = JSON.stringify([giver, giverExpert(giver, expert)]);
    const known = folds.get(key);
    const from = { ...named(giver.part, giverExpert(giver, expert)), firstRow: giver.firstRow };
    folds.set(key, { channels: columns, giver: from, users: [...(known?.users ?? []), ...users] });
  };
  for (const tap of dense) add(tap);
  for (let expert = 0; expert < (block.experts?.count ?? 0); expert++)
    for (const tap of ofExpert) add(tap, expert);
  return [...folds.values()];
}

/** A norm before the experts gives the inputs of all of them. */
const giverExpert = ({ part }: Giver, expert: number | undefined): number | undefined =>
  part.includes('_exps.') ? expert : undefined;

/** Some rows of a tensor of the checkpoint that a fold changes. */
export interface FoldedRows {
  readonly tensor: string;
  /** Of the whole tensor. */
  readonly shape: readonly number[];
  /** Index in the tensor, leading dimensions flattened; entries of a vector are rows. */
  readonly firstRow: number;
  readonly rows: number;
  /** Added to the entries of the norm when it is applied. */
  readonly offset?: number;
}

/** Where the parts of folds are in a checkpoint. */
export class FoldedTensors {
  private readonly byName: ReadonlyMap<string, ConvertedTensor>;

  constructor({ tensors }: GgufView) {
    this.byName = new Map(tensors.map((tensor) => [tensor.name, tensor]));
  }

  /** Rows of the checkpoint that a part is made of, in order; undefined where they are rearranged. */
  rowsOf({ tensor, expert }: FoldedPart): FoldedRows[] | undefined {
    const converted = this.byName.get(tensor);
    if (!converted || converted.map !== undefined) return undefined;
    if (converted.unit && converted.unit.order !== 'interleave') return undefined;
    const { shape, add, pieces } = converted;
    if (pieces.some(({ step }) => step !== undefined)) return undefined;
    const isVector = shape.length === 1;
    const total = isVector ? shape[0]! : matrixOf(shape).rows;
    const count = expert === undefined ? total : total / shape[0]!;
    const first = (expert ?? 0) * count;
    const found: FoldedRows[] = [];
    let row = 0;
    for (const piece of pieces) {
      const rows = isVector ? (elementsOf(piece.tensor.shape) ?? 0) : piece.rows;
      const [from, to] = [Math.max(first, row), Math.min(first + count, row + rows)];
      if (to > from)
        found.push({
          ...{ tensor: piece.tensor.name, shape: piece.tensor.shape },
          ...{ firstRow: piece.firstRow + from - row, rows: to - from },
          ...(add === undefined ? {} : { offset: add }),
        });
      row += rows;
    }
    return found;
  }

  /** Rows that give the channels of a fold, and the bias that is added to them; undefined where they are rearranged. */
  giversOf({ giver, channels }: Fold): FoldedRows[] | undefined {
    const converted = this.byName.get(giver.tensor);
    if (!converted || converted.unit) return undefined;
    const bias = giver.tensor.replace(/weight$/, 'bias');
    const all = [giver.tensor, ...(this.byName.has(bias) ? [bias] : [])];
    const found = all.map((tensor) => {
      const rows = this.rowsOf({ ...giver, tensor });
      return rows && cut(rows, giver.firstRow, channels);
    });
    return found.every((rows) => rows !== undefined) ? found.flat() : undefined;
  }
}

/** The part of some rows, one after the other, that begins at the row `first` of them. */
function cut(all: readonly FoldedRows[], first: number, count: number): FoldedRows[] {
  const found: FoldedRows[] = [];
  let at = 0;
  for (const rows of all) {
    const [from, to] = [Math.max(first, at), Math.min(first + count, at + rows.rows)];
    if (to > from) found.push({ ...rows, firstRow: rows.firstRow + from - at, rows: to - from });
    at += rows.rows;
  }
  return found;
}

/** Collects the transforms that folds make of tensors; each may be in several folds. */
export class TransformBuilder {
  private readonly found = new Map<
    string,
    { columnScales?: Float32Array; rowDivisors?: Float32Array; offset?: number }
  >();

  /** @param factors one for each channel of the fold. */
  add(givers: readonly FoldedRows[], users: readonly FoldedRows[], factors: Float32Array): void {
    let channel = 0;
    for (const { tensor, shape, firstRow, rows, offset } of givers) {
      const transform = this.of(tensor);
      const total = shape.length < 2 ? shape[0]! : matrixOf(shape).rows;
      transform.rowDivisors ??= new Float32Array(total).fill(1);
      for (let row = 0; row < rows; row++)
        transform.rowDivisors[firstRow + row]! *= factors[(channel + row) % factors.length]!;
      channel += rows;
      if (offset !== undefined) transform.offset = offset;
    }
    for (const user of users) this.scaleColumns(user, factors);
  }

  transforms(): ReadonlyMap<string, TensorTransform> {
    return this.found;
  }

  /** A tensor of three dimensions has scales for each of its matrices. */
  private scaleColumns({ tensor, shape, firstRow, rows }: FoldedRows, factors: Float32Array): void {
    const transform = this.of(tensor);
    const columns = factors.length;
    const matrices = shape.length > 2 ? shape[0]! : 1;
    const perMatrix = shape.length < 2 ? 1 : matrixOf(shape).rows / matrices;
    transform.columnScales ??= new Float32Array(matrices * columns).fill(1);
    const [first, last] = [firstRow, firstRow + rows - 1].map((row) =>
      Math.min(matrices - 1, Math.floor(row / perMatrix)),
    );
    // Rows of one matrix may come in several pieces, which all have the same input: the factors are set, not multiplied.
    for (let matrix = first!; matrix <= last!; matrix++)
      transform.columnScales.set(factors, matrix * columns);
  }

  private of(tensor: string) {
    const transform = this.found.get(tensor) ?? {};
    this.found.set(tensor, transform);
    return transform;
  }
}
