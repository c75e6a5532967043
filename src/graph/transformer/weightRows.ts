import { factorsFrom, partOf, type ConvertedTensor, type Piece } from '../../architectures/convertedTensor';
import { matrixOf } from '../../model/rows';

/** Some rows of a tensor, leading dimensions flattened. */
export interface RowSpan {
  readonly first: number;
  readonly count: number;
}

/** The tensor without GGUF's reordering of rows inside heads. */
export function inSourceOrder({ unit, ...tensor }: ConvertedTensor): ConvertedTensor {
  return unit && unit.order !== 'interleave' ? { ...tensor, unit } : tensor;
}

/** Some rows of a tensor as a separate tensor: whole units of one that is transposed. */
export function rowsOf(tensor: ConvertedTensor, { first, count }: RowSpan): ConvertedTensor {
  const { columns } = matrixOf(tensor.shape);
  const pieces: Piece[] = [];
  // Entries may be rows of their own; of a transposed unit, columns are rows.
  const perRow = columns / tensor.columns;
  let start = 0;
  for (const piece of tensor.pieces) {
    const from = Math.max(first * perRow, start);
    const to = Math.min((first + count) * perRow, start + piece.rows);
    if (to > from) pieces.push(partOf(piece, from - start, to - from));
    start += piece.rows;
  }
  const { factors } = tensor;
  const own = factors ? { factors: factorsFrom(factors, first) } : {};
  return { ...tensor, shape: [count, columns], pieces, ...own };
}

/** Rows of one expert, with its importance weights. */
export interface ExpertRows extends RowSpan {
  readonly expert: number;
  /** The first of them, counted from the first of the expert. */
  readonly firstOfExpert: number;
  readonly importance?: Float32Array;
}

/** The experts that some rows belong to; all rows at once where a change does not tell them apart. */
export function* byExpert(
  { shape }: ConvertedTensor,
  first: number,
  count: number,
  { importance, replace }: { readonly importance?: Float32Array; readonly replace?: unknown },
): Generator<ExpertRows> {
  const { rows, columns } = matrixOf(shape);
  const merged = replace ? (shape[shape.length - 3] ?? 1) : 1;
  const experts = importance ? importance.length / columns : merged;
  const perExpert = rows / experts;
  for (let row = first; row < first + count;) {
    const expert = Math.floor(row / perExpert);
    const end = Math.min(first + count, (expert + 1) * perExpert);
    yield {
      ...{ expert, first: row, firstOfExpert: row - expert * perExpert, count: end - row },
      ...(importance ? { importance: importance.subarray(expert * columns, (expert + 1) * columns) } : {}),
    };
    row = end;
  }
}
