import type { Weights } from '../../graph/transformer/weights';
import { throwIfCancelled } from '../../model/errors';
import type { TensorRange } from '../../native';

/** Weights that are decoded at a time. */
const slabWeights = 8 * 1024 * 1024;

/** Some whole rows of a matrix. */
export interface FloatRows {
  readonly first: number;
  readonly rows: number;
  readonly values: Float32Array<ArrayBuffer>;
}

/** A matrix of a model that is read as often as it is needed, in the order of rows of the forward pass. */
export class MatrixRows {
  constructor(
    private readonly weights: Weights,
    readonly name: string,
    /** `[out, in]`. */
    readonly shape: readonly [rows: number, columns: number],
  ) {}

  /**
   * The rows in slabs. A slab is valid until the next one is requested.
   * @param rowMultiple slabs are whole multiples of so many rows, except the last.
   * @throws RangeError naming the first weight that is not finite.
   */
  async *slabs(rowMultiple = 1, signal?: AbortSignal): AsyncGenerator<FloatRows> {
    const [rows, columns] = this.shape;
    const atOnce = rowMultiple * Math.max(1, Math.floor(slabWeights / (columns * rowMultiple)));
    const buffer = new Float32Array(Math.min(rows, atOnce) * columns);
    for (let first = 0; first < rows; first += atOnce) {
      throwIfCancelled(signal);
      const count = Math.min(atOnce, rows - first);
      const values = buffer.subarray(0, count * columns);
      await this.weights.load(this.name, values, { rows: { first, count }, signal });
      const bad = values.findIndex((value) => !Number.isFinite(value));
      if (bad >= 0)
        throw new RangeError(
          `Weight ${first * columns + bad} is ${values[bad]}; such a tensor cannot be exported.`,
        );
      yield { first, rows: count, values };
    }
  }

  /** Extremes of all weights. @throws RangeError as `slabs`. */
  async range(signal?: AbortSignal): Promise<TensorRange> {
    let [min, max] = [Infinity, -Infinity];
    for await (const { values } of this.slabs(1, signal))
      for (const value of values) {
        if (value < min) min = value;
        if (value > max) max = value;
      }
    return { min, max };
  }
}
