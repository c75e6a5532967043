import type { CodeReader } from '../model/codeRows';
import { throwIfCancelled } from '../model/errors';
import { matrixOf } from '../model/rows';
import type { Block, RowDecoder, StoredDescriptor } from './layout';
import { rounded } from './parts';

/** Weights that are decoded at a time, and how many such slabs are kept for reads of parts of them. */
const slabWeights = 2 ** 21;
const keptSlabs = 2;

interface Kept {
  readonly tensor: StoredDescriptor;
  readonly first: number;
  readonly values: Promise<Float32Array>;
}

/** Float32 bytes of weights that a layout decodes, as if they were stored so. Memory is bounded by a few slabs. */
export class StoredReader {
  private readonly decoders = new WeakMap<StoredDescriptor, RowDecoder>();
  /** Latest used last. */
  private kept: Kept[] = [];

  constructor(private readonly open: (tensor: StoredDescriptor) => RowDecoder) {}

  /**
   * @param offset bytes from the start of the weights as float32: whole weights, as `target`.
   * @throws QuantscopeError as the layout's decoder.
   */
  async readInto(
    tensor: StoredDescriptor,
    offset: number,
    target: Uint8Array,
    signal?: AbortSignal,
  ): Promise<void> {
    const isAligned = target.byteOffset % 4 === 0;
    const values = isAligned
      ? new Float32Array(target.buffer, target.byteOffset, target.length / 4)
      : new Float32Array(target.length / 4);
    const first = offset / 4;
    for (const { at, block } of blocksOf(tensor, this.decoder(tensor), first, values.length)) {
      throwIfCancelled(signal);
      const size = block.rows * block.width;
      const [from, to] = [Math.max(at, first), Math.min(at + size, first + values.length)];
      const place = values.subarray(from - first, to - first);
      if (place.length === size) await this.decode(tensor, block, place, signal);
      else place.set((await this.slab(tensor, at, block)).subarray(from - at, to - at));
    }
    if (!isAligned) target.set(new Uint8Array(values.buffer));
  }

  /** The codes of a weight, where its layout shows them. */
  codes(tensor: StoredDescriptor): CodeReader | undefined {
    return this.decoder(tensor).codes;
  }

  private decoder(tensor: StoredDescriptor): RowDecoder {
    const decoder = this.decoders.get(tensor) ?? this.open(tensor);
    this.decoders.set(tensor, decoder);
    return decoder;
  }

  /** A whole slab of which only a part is requested. Others may wait for it too, so that no one cancels it. */
  private slab(tensor: StoredDescriptor, first: number, block: Block): Promise<Float32Array> {
    const found = this.kept.find((item) => item.tensor === tensor && item.first === first);
    const slab = found ?? { tensor, first, values: this.decoded(tensor, block) };
    const others = this.kept.filter((item) => item !== slab);
    this.kept = [...others.slice(-(keptSlabs - 1)), slab];
    if (!found) slab.values.catch(() => (this.kept = this.kept.filter((item) => item !== slab)));
    return slab.values;
  }

  private async decoded(tensor: StoredDescriptor, block: Block): Promise<Float32Array> {
    const values = new Float32Array(block.rows * block.width);
    await this.decode(tensor, block, values);
    return values;
  }

  private async decode(
    tensor: StoredDescriptor,
    block: Block,
    target: Float32Array,
    signal?: AbortSignal,
  ): Promise<void> {
    await this.decoder(tensor).read(block, target, signal);
    const { rounding } = tensor.stored;
    if (rounding) await rounded(target, rounding, signal);
  }
}

/** The slabs that some consecutive weights lie in; `at` is the index of a slab's first weight. */
function* blocksOf(
  { shape }: StoredDescriptor,
  { step, rowStep = 1 }: RowDecoder,
  first: number,
  count: number,
): Generator<{ readonly at: number; readonly block: Block }> {
  const { rows, columns } = matrixOf(shape);
  const isWhole = step >= columns;
  const together = Math.floor(slabWeights / columns / rowStep) * rowStep;
  const perSlab = isWhole ? Math.max(rowStep, together) : 1;
  for (let at = first; at < first + count;) {
    const row = Math.floor(at / columns);
    const top = row - (row % perSlab);
    const column = isWhole ? 0 : (at % columns) - ((at % columns) % step);
    const width = isWhole ? columns : Math.min(step, columns - column);
    const block = { row: top, rows: Math.min(perSlab, rows - top), column, width };
    const start = top * columns + column;
    yield { at: start, block };
    at = start + block.rows * width;
  }
}
