import type { Weights } from '../../graph/transformer/weights';
import { throwIfCancelled } from '../../model/errors';
import type { FloatRows } from './storage';

/** Weights that are decoded at a time. */
const slabWeights = 8 * 1024 * 1024;

/**
 * The rows of a matrix `[out, in]` in slabs, in the order of the forward pass. A slab is valid until the next one is requested.
 * @param rowMultiple slabs are whole multiples of so many rows, except the last.
 * @throws RangeError naming the first weight that is not finite.
 */
export async function* floatRows(
  weights: Weights,
  name: string,
  [rows, columns]: readonly [number, number],
  rowMultiple: number,
  signal?: AbortSignal,
): AsyncGenerator<FloatRows> {
  const atOnce = rowMultiple * Math.max(1, Math.floor(slabWeights / (columns * rowMultiple)));
  const buffer = new Float32Array(Math.min(rows, atOnce) * columns);
  for (let first = 0; first < rows; first += atOnce) {
    throwIfCancelled(signal);
    const count = Math.min(atOnce, rows - first);
    const values = buffer.subarray(0, count * columns);
    await weights.load(name, values, { rows: { first, count }, signal });
    const bad = values.findIndex((value) => !Number.isFinite(value));
    if (bad >= 0) {
      const message = `Weight ${first * columns + bad} is ${values[bad]}; such a tensor cannot be exported.`;
      throw new RangeError(message);
    }
    yield { first, rows: count, values };
  }
}
