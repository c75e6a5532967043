import { elementsOf } from '../model/dtypes';
import { matrixOf } from '../model/rows';

/**
 * What a tensor is multiplied with before it is quantized. Where the columns of some matrices are scaled, the rows that give their
 * inputs are divided by the same factors, so that the model as a whole computes the same (AWQ, SmoothQuant).
 */
export interface TensorTransform {
  /** w[r, c] · columnScales[c]: one for each column; of merged experts, expert after expert. */
  readonly columnScales?: Float32Array;
  /** w[r, c] / rowDivisors[r]: one for each row, leading dimensions flattened; of a vector one for each entry. */
  readonly rowDivisors?: Float32Array;
  /** Of a norm that multiplies by offset + weight: added before the division and subtracted after it. */
  readonly offset?: number;
}

/** Transforms by the tensor's name as the checkpoint spells it; other tensors stay as they are. */
export type WeightTransforms = ReadonlyMap<string, TensorTransform>;

/**
 * Transforms whole rows of a tensor in place: scales of columns after divisors of rows, in float32.
 * @param values `[rows, columns]` from `firstRow` on; of a vector its entries from `firstRow` on.
 * @param shape of the whole tensor.
 * @throws RangeError when the numbers of scales or divisors do not fit the shape.
 */
export function applyTransform(
  values: Float32Array,
  shape: readonly number[],
  firstRow: number,
  { columnScales, rowDivisors, offset = 0 }: TensorTransform,
): void {
  const isVector = shape.length < 2;
  const { columns } = isVector ? { columns: 1 } : matrixOf(shape);
  const rows = (elementsOf(shape) ?? 0) / columns;
  const count = values.length / columns;
  if (rowDivisors) {
    if (rowDivisors.length !== rows)
      throw new RangeError(`there are ${rowDivisors.length} divisors for ${rows} rows`);
    for (let row = 0; row < count; row++) {
      const divisor = rowDivisors[firstRow + row]!;
      for (let at = row * columns; at < (row + 1) * columns; at++)
        values[at] = Math.fround(Math.fround(values[at]! + offset) / divisor) - offset;
    }
  }
  if (!columnScales) return;
  const experts = columnScales.length / columns;
  if (!Number.isInteger(experts) || rows % experts !== 0)
    throw new RangeError(`there are ${columnScales.length} scales for ${columns} columns`);
  for (let row = 0; row < count; row++) {
    const first = Math.floor(((firstRow + row) * experts) / rows) * columns;
    for (let column = 0; column < columns; column++)
      values[row * columns + column]! *= columnScales[first + column]!;
  }
}
