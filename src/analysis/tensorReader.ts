import { badKind } from './badWeights';
import { readSlab, slabsOf, type Slab } from '../architectures/convertedRows';
import {
  changesWeights,
  changeWeights,
  sourcesOf,
  unchanged,
  type ConvertedTensor,
} from '../architectures/convertedTensor';
import { QuantscopeError, throwIfCancelled } from '../model/errors';
import type { Model } from '../model/model';
import { matrixOf, readAs } from '../model/rows';
import { loadNative, type BadWeight, type TensorRange } from '../native';
import type { TensorDescriptor } from '../protocol/model';
import { said } from '../protocol/said';

/** What every pass over a tensor takes. */
export interface TensorWork {
  readonly signal?: AbortSignal | undefined;
  /** After each slab: work done, and in total. The unit is up to the caller. */
  readonly onProgress?: ((done: number, total: number) => void) | undefined;
}

/** Some consecutive weights of a tensor. */
export interface TensorSlab {
  readonly dtype: string;
  readonly data: Uint8Array;
  /** Index of the first weight, and how many. */
  readonly firstWeight: number;
  readonly weights: number;
  /** Weights per row of the slab: the matrix's, or fewer where its rows are processed in parts. */
  readonly columns: number;
}

/** Tensors of at most so many bytes are held while they are processed, so several passes read them once. */
const heldBytes = 128 * 1024 * 1024;

export interface TensorReaderOptions {
  /** False where the weights are requested once: nothing is held then. */
  readonly holds?: boolean;
}

/**
 * The weights of one tensor, as often as they are requested. A tensor of at most 128 MiB is read once and held; a larger one is read
 * in every pass, a slab at a time. One that was saved quantized is decoded as it is read.
 */
export class TensorReader {
  readonly rows: number;
  readonly columns: number;
  /** Weights. */
  readonly elements: number;
  /** Whether a second pass reads nothing. */
  readonly isHeld: boolean;
  private readonly tensor: ConvertedTensor;
  private readonly held = new Map<number, TensorSlab>();

  /** @throws QuantscopeError UNSUPPORTED for a tensor that cannot be decoded, with the reason. */
  constructor(
    private readonly model: Model,
    tensor: TensorDescriptor | ConvertedTensor,
    { holds = true }: TensorReaderOptions = {},
  ) {
    this.tensor = 'pieces' in tensor ? tensor : unchanged(tensor);
    const { rows, columns } = matrixOf(this.tensor.shape);
    this.rows = rows;
    this.columns = columns;
    this.elements = rows * columns;
    this.isHeld = holds && bytesOf(this.tensor) <= heldBytes;
    const unreadable = sourcesOf(this.tensor).find(({ readable }) => !readable);
    if (!unreadable) return;
    const message = unreadable.unreadableReason ?? said`The tensor cannot be read.`;
    throw new QuantscopeError('UNSUPPORTED', message, { file: unreadable.file, tensor: unreadable.name });
  }

  /** The slabs in the order of the weights, ready to be decoded; none for an empty tensor. */
  async *slabs(signal?: AbortSignal): AsyncGenerator<TensorSlab> {
    for (const slab of slabsOf(this.tensor)) {
      throwIfCancelled(signal);
      const known = this.held.get(slab.firstWeight);
      const read = known ?? (await this.read(slab, signal));
      if (this.isHeld) this.held.set(slab.firstWeight, read);
      yield read;
    }
  }

  /**
   * The same slabs, the next of which is read while one is used; the data of one that is not held is only valid until the next is
   * requested.
   */
  async *passing(signal?: AbortSignal): AsyncGenerator<TensorSlab> {
    if (this.isHeld || changesWeights(this.tensor)) {
      yield* this.slabs(signal);
      return;
    }
    const slabs = [...slabsOf(this.tensor)];
    const room = slabs.reduce((most, { bytes }) => Math.max(most, bytes), 0);
    const buffers = [new Uint8Array(room), new Uint8Array(slabs.length > 1 ? room : 0)];
    const read = (index: number): Promise<TensorSlab> | undefined => {
      const slab = slabs[index];
      const reading = slab && this.read(slab, signal, buffers[index % 2]!.subarray(0, slab.bytes));
      reading?.catch(() => undefined); // it is reported when its slab is requested
      return reading;
    };
    let next = read(0);
    try {
      for (let index = 1; next; index++) {
        const slab = await next;
        next = read(index);
        yield slab;
      }
    } finally {
      await next?.catch(() => undefined); // it fills a buffer until then
    }
  }

  /** The weights as float32, in the same slabs. */
  async *values(signal?: AbortSignal): AsyncGenerator<TensorSlab & { readonly values: Float32Array }> {
    for await (const slab of this.slabs(signal)) yield { ...slab, values: await floatsOf(slab, signal) };
  }

  /**
   * Extremes of all weights.
   * @throws QuantscopeError MODEL_FILE naming the first weight that is not finite: such a tensor cannot be quantized.
   */
  async range({ signal, onProgress }: TensorWork = {}): Promise<TensorRange> {
    let [min, max] = [Infinity, -Infinity];
    for await (const slab of this.slabs(signal)) {
      const range = await loadNative().measureRange(slab.dtype, slab.data, signal);
      if (range.bad) throw this.badWeight(slab, range.bad);
      min = Math.min(min, range.min);
      max = Math.max(max, range.max);
      onProgress?.(slab.firstWeight + slab.weights, this.elements);
    }
    return { min, max };
  }

  /** The error that a weight of a slab cannot be quantized. */
  badWeight({ firstWeight, dtype, data }: TensorSlab, bad: BadWeight): QuantscopeError {
    const message = said`Weight ${firstWeight + bad.index} is ${badKind(bad, dtype, data)}; it cannot be quantized.`;
    const [source] = sourcesOf(this.tensor);
    const { file, name, offset } = source ?? { name: this.tensor.name };
    return new QuantscopeError('MODEL_FILE', message, {
      tensor: name,
      ...(file === undefined ? {} : { file }),
      ...(offset === undefined ? {} : { offset }),
    });
  }

  /** @param target what is read is put there, where the rows of the tensor are not rearranged. */
  private async read(slab: Slab, signal: AbortSignal | undefined, target?: Uint8Array): Promise<TensorSlab> {
    const { firstWeight, weights } = slab;
    // Entries of a vector may be read as rows of one weight: they are still one row.
    const part = slab.columns > 1 ? slab.columns : weights;
    const columns = weights % this.columns === 0 ? this.columns : part;
    const data = await readSlab(this.model, this.tensor, slab, { signal, ...(target ? { target } : {}) });
    if (!changesWeights(this.tensor)) return { dtype: slab.dtype, data, firstWeight, weights, columns };
    const values = await floatsOf({ dtype: slab.dtype, data, weights }, signal);
    changeWeights(this.tensor, values, firstWeight);
    return { dtype: 'F32', data: new Uint8Array(values.buffer), firstWeight, weights, columns };
  }
}

/** The weights of a slab as float32. */
export async function floatsOf(
  { dtype, data, weights }: Pick<TensorSlab, 'dtype' | 'data' | 'weights'>,
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  const values = new Float32Array(weights);
  await loadNative().decode(dtype, data, values, signal);
  return values;
}

function bytesOf({ pieces, columns }: ConvertedTensor): number {
  return pieces.reduce((sum, { tensor, rows }) => {
    const weightBytes = tensor.elements === 0 ? 0 : readAs(tensor).bytes / tensor.elements;
    return sum + rows * columns * weightBytes;
  }, 0);
}
