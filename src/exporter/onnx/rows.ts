import type { Weights } from '../../graph/transformer/weights';
import { throwIfCancelled } from '../../model/errors';
import { loadNative, type TensorRange } from '../../native';
import { bytesOf } from './bytes';

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
    /** Rows of the tensor before it, where it is one of several. */
    private readonly firstRow = 0,
  ) {}

  /**
   * The rows in slabs. A slab is valid until the next one is requested.
   * @param rowMultiple slabs are whole multiples of so many rows, except the last.
   * @throws RangeError naming the first weight that is not finite.
   */
  async *slabs(rowMultiple = 1, signal?: AbortSignal): AsyncGenerator<FloatRows> {
    yield* this.measured(rowMultiple, signal);
  }

  /** Extremes of all weights. @throws RangeError as `slabs`. */
  async range(signal?: AbortSignal): Promise<TensorRange> {
    let [min, max] = [Infinity, -Infinity];
    for await (const { range } of this.measured(1, signal)) {
      min = Math.min(min, range.min);
      max = Math.max(max, range.max);
    }
    return { min, max };
  }

  private async *measured(
    rowMultiple: number,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<FloatRows & { readonly range: TensorRange }> {
    const [rows, columns] = this.shape;
    const atOnce = rowMultiple * Math.max(1, Math.floor(slabWeights / (columns * rowMultiple)));
    const buffer = new Float32Array(Math.min(rows, atOnce) * columns);
    for (let first = 0; first < rows; first += atOnce) {
      throwIfCancelled(signal);
      const count = Math.min(atOnce, rows - first);
      const values = buffer.subarray(0, count * columns);
      const stored = { first: this.firstRow + first, count };
      await this.weights.load(this.name, values, { rows: stored, signal });
      const { bad, ...range } = await loadNative().measureRange('F32', bytesOf(values), signal);
      if (bad) {
        const index = stored.first * columns + bad.index;
        throw new RangeError(`Weight ${index} is ${values[bad.index]}; such a tensor cannot be exported.`);
      }
      yield { first, rows: count, values, range };
    }
  }
}
