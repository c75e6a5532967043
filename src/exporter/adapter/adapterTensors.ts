import { readLowRank, transposed, type LowRank } from '../../adapters/lowRank';
import type { WeightChange } from '../../adapters/weightChanges';
import { multiplyRows, type ConvertedTensor } from '../../architectures/convertedTensor';
import type { ColumnOrder } from '../../architectures/description';
import { checkpointRow } from '../../architectures/rowOrder';
import { QuantscopeError } from '../../model/errors';
import { matrixOf } from '../../model/rows';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';

/** The change of one tensor of a GGUF file. */
export interface AdapterTensor {
  /** Of the tensor that it changes. */
  readonly name: string;
  /** Outermost dimension first: `[experts…, rank, in]`; of the embedding `[tokens, rank]`. */
  readonly shapeA: readonly number[];
  /** `[experts…, out, rank]`; of the embedding `[size, rank]`. */
  readonly shapeB: readonly number[];
  /** Reads the factors, such that their product times the adapter's alpha / rank is the change. */
  factors(signal?: AbortSignal): Promise<{ readonly a: Float32Array; readonly b: Float32Array }>;
}

/** A row of a tensor of the file: which row of which source it is. */
interface SourceRow {
  readonly source: TensorDescriptor;
  readonly row: number;
}

/** The name of the tensor whose rows llama.cpp looks up: it takes the factors of the transpose. */
const embedding = 'token_embd.weight';

/**
 * The change of a tensor of the file whose sources an adapter changes. Sources that lie one below the other in one matrix get ranks of their
 * own; experts share the largest rank, and those without a change have zeros.
 * @param changes by names of the sources. @param alpha of the file.
 * @throws QuantscopeError UNSUPPORTED where the rows or columns of the tensor are not those of its sources.
 */
export function adapterTensor(
  converted: ConvertedTensor,
  changes: ReadonlyMap<string, WeightChange>,
  alpha: number,
): AdapterTensor {
  if (converted.unit?.order === 'transpose') return transposedTensor(converted, changes, alpha);
  const { name, shape, columns, unit } = converted;
  const outer = shape.slice(0, -2);
  const rows = shape.at(-2) ?? 1;
  const isWhole = converted.pieces.every(({ tensor }) => matrixOf(tensor.shape).columns === columns);
  if (shape.length < 2 || shape.at(-1) !== columns || !isWhole) throw rearranged(converted, changes);
  const ranks = matricesOf(converted, rows).map((matrix) => startsOf(matrix, changes).rank);
  const rank = ranks.reduce((most, one) => Math.max(most, one), 1);
  const factors = async (signal?: AbortSignal) => {
    const matrices = matricesOf(converted, rows);
    const a = new Float32Array(matrices.length * rank * columns);
    const b = new Float32Array(matrices.length * rows * rank);
    for (const [i, matrix] of matrices.entries()) {
      const into = {
        a: a.subarray(i * rank * columns, (i + 1) * rank * columns),
        b: b.subarray(i * rows * rank, (i + 1) * rows * rank),
      };
      await fillMatrix(into, matrix, changes, { rank, columns, alpha, signal });
    }
    if (converted.factors) multiplyRows(converted.factors, rank, b, 0);
    if (unit?.order === 'regroup') regroup(a, unit);
    return name === embedding ? { a: b, b: transposed(a, rank, columns) } : { a, b };
  };
  return name === embedding
    ? { name, shapeA: [rows, rank], shapeB: [columns, rank], factors }
    : { name, shapeA: [...outer, rank, columns], shapeB: [...outer, rows, rank], factors };
}

/** Columns [groups, members, size] of each row become [members, groups, size], in place. */
function regroup(rows: Float32Array, { groups, members, size }: ColumnOrder): void {
  const columns = groups * members * size;
  for (let start = 0; start < rows.length; start += columns) {
    const row = rows.slice(start, start + columns);
    for (let group = 0; group < groups; group++)
      for (let member = 0; member < members; member++) {
        const from = (group * members + member) * size;
        rows.set(row.subarray(from, from + size), start + (member * groups + group) * size);
      }
  }
}

/** The rows of each matrix; those of experts follow each other. */
function matricesOf(converted: ConvertedTensor, rows: number): SourceRow[][] {
  const order = sourceRows(converted);
  return Array.from({ length: order.length / rows }, (_, i) => order.slice(i * rows, (i + 1) * rows));
}

/** The source of each row, in the order of the file. */
function sourceRows({ pieces, unit }: ConvertedTensor): SourceRow[] {
  const order = pieces.flatMap(({ tensor, firstRow, rows, step = 1 }) =>
    Array.from({ length: rows }, (_, i) => ({ source: tensor, row: firstRow + i * step })),
  );
  if (unit?.order !== 'interleave') return order;
  return order.map((_, row) => order[checkpointRow(row, unit.rows)]!);
}

/** Where the ranks of each changed source of a matrix begin, and how many there are together. */
function startsOf(matrix: readonly SourceRow[], changes: ReadonlyMap<string, WeightChange>) {
  const starts = new Map<string, number>();
  let rank = 0;
  for (const name of new Set(matrix.map(({ source }) => source.name))) {
    const change = changes.get(name)?.change;
    if (!change) continue;
    starts.set(name, rank);
    rank += change.rank;
  }
  return { starts, rank };
}

interface FillOptions {
  readonly rank: number;
  readonly columns: number;
  readonly alpha: number;
  readonly signal: AbortSignal | undefined;
}

async function fillMatrix(
  { a, b }: { readonly a: Float32Array; readonly b: Float32Array },
  matrix: readonly SourceRow[],
  changes: ReadonlyMap<string, WeightChange>,
  { rank, columns, alpha, signal }: FillOptions,
): Promise<void> {
  const { starts } = startsOf(matrix, changes);
  for (const [name, start] of starts) {
    const lowRank = (await readLowRank(changes.get(name)!, signal))!;
    a.set(lowRank.right, start * columns);
    const factor = factorOf(lowRank, alpha, rank);
    for (const [row, { source, row: from }] of matrix.entries()) {
      if (source.name !== name) continue;
      for (let k = 0; k < lowRank.rank; k++)
        b[row * rank + start + k] = factor * lowRank.left[from * lowRank.rank + k]!;
    }
  }
}

/** What B is multiplied by, as llama.cpp multiplies the product by alpha / rank; exactly 1 for the usual adapters. */
const factorOf = (lowRank: LowRank, alpha: number, rank: number): number =>
  lowRank.alpha === alpha && lowRank.divisor === rank
    ? 1
    : ((lowRank.alpha / lowRank.divisor) * rank) / alpha;

/** (left · right)ᵀ = rightᵀ · leftᵀ, of which some rows may be left out. */
function transposedTensor(
  converted: ConvertedTensor,
  changes: ReadonlyMap<string, WeightChange>,
  alpha: number,
): AdapterTensor {
  const { name, shape, pieces, unit } = converted;
  const [piece, ...others] = pieces;
  const [rows = 0, columns = 0] = shape;
  if (others.length > 0 || shape.length !== 2 || unit!.rows !== columns || piece!.firstRow !== 0)
    throw rearranged(converted, changes);
  const change = changes.get(piece!.tensor.name)!;
  const { first = 0, step = 1 } = unit?.columns ?? {};
  const { rank } = change.change!;
  return {
    ...{ name, shapeA: [rank, columns], shapeB: [rows, rank] },
    async factors(signal) {
      const lowRank = (await readLowRank(change, signal))!;
      const factor = factorOf(lowRank, alpha, rank);
      const b = new Float32Array(rows * rank);
      for (let row = 0; row < rows; row++)
        for (let k = 0; k < rank; k++)
          b[row * rank + k] = factor * lowRank.right[k * lowRank.columns + first + row * step]!;
      return { a: transposed(lowRank.left, lowRank.rows, rank), b };
    },
  };
}

function rearranged(
  { name, pieces }: ConvertedTensor,
  changes: ReadonlyMap<string, WeightChange>,
): QuantscopeError {
  const source = pieces.map(({ tensor }) => tensor).find((tensor) => changes.has(tensor.name))!;
  const message = said`The adapter changes a weight that GGUF has rearranged as ${name}: its factors cannot be written. Merge the adapter on export (--lora).`;
  return new QuantscopeError('UNSUPPORTED', message, { file: source.file, tensor: source.name });
}
