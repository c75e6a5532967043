import { createHash } from 'node:crypto';
import type { ByteSource } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { openSource } from '../../model/place';
import { digestBytes } from './chunkDigests';
import { readManifest, type DigestManifest, type TensorDigests } from './manifest';
import { changedMessage, changedOutside, sizeMessage } from './changedOutside';
import { said } from '../../protocol/said';

/**
 * Opens a file whose bytes are compared with the digests that were written with it: header and padding at once, each chunk of a tensor
 * when it is first read.
 * @throws QuantscopeError REQUEST where no digests were written, MODEL_FILE where size or header differ, IO, CANCELLED.
 */
export async function openCheckedSource(path: string, signal?: AbortSignal): Promise<ByteSource> {
  const manifest = await readManifest(path, signal);
  if (!manifest)
    throw new QuantscopeError('REQUEST', said`No digests were written with the file: it cannot be checked.`, {
      file: path,
    });
  const source = await openSource(path);
  try {
    if (source.size !== manifest.bytes)
      throw new QuantscopeError('MODEL_FILE', sizeMessage(source.size, manifest.bytes), { file: path });
    const [range] = await changedOutside(source, manifest, signal);
    if (range)
      throw new QuantscopeError('MODEL_FILE', changedMessage(range), { file: path, offset: range.offset });
    return new CheckedSource(source, manifest);
  } catch (error) {
    await source.close();
    throw error;
  }
}

class CheckedSource implements ByteSource {
  readonly path: string;
  readonly size: number;
  readonly mtimeMs: number;
  /** Chunks of each tensor that were compared. */
  private readonly compared = new Map<TensorDigests, Uint8Array>();

  constructor(
    private readonly source: ByteSource,
    private readonly manifest: DigestManifest,
  ) {
    ({ path: this.path, size: this.size, mtimeMs: this.mtimeMs } = source);
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array> {
    const target = await this.source.read(offset, length, signal);
    await this.compare(offset, target, signal);
    return target;
  }

  async readInto(target: Uint8Array, offset: number, signal?: AbortSignal): Promise<void> {
    await this.source.readInto(target, offset, signal);
    await this.compare(offset, target, signal);
  }

  close(): Promise<void> {
    return this.source.close();
  }

  /** Compares the chunks that bytes of the file touch. */
  private async compare(start: number, bytes: Uint8Array, signal: AbortSignal | undefined): Promise<void> {
    const { tensors, chunkBytes } = this.manifest;
    const end = start + bytes.length;
    for (let i = firstAfter(tensors, start); i < tensors.length && tensors[i]!.offset < end; i++) {
      const tensor = tensors[i]!;
      const first = Math.max(0, Math.floor((start - tensor.offset) / chunkBytes));
      const last = Math.ceil((Math.min(end, tensor.offset + tensor.bytes) - tensor.offset) / chunkBytes);
      for (let chunk = first; chunk < last; chunk++)
        await this.compareChunk(tensor, chunk, start, bytes, signal);
    }
  }

  private async compareChunk(
    tensor: TensorDigests,
    chunk: number,
    start: number,
    bytes: Uint8Array,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    const { chunkBytes } = this.manifest;
    const known = this.compared.get(tensor) ?? new Uint8Array(tensor.chunks.length / digestBytes);
    this.compared.set(tensor, known);
    if (known[chunk] === 1) return;
    const offset = tensor.offset + chunk * chunkBytes;
    const length = Math.min(chunkBytes, tensor.bytes - chunk * chunkBytes);
    const isInside = offset >= start && offset + length <= start + bytes.length;
    const content = isInside
      ? bytes.subarray(offset - start, offset - start + length)
      : await this.source.read(offset, length, signal);
    const expected = tensor.chunks.subarray(chunk * digestBytes, (chunk + 1) * digestBytes);
    if (!createHash('sha256').update(content).digest().equals(expected))
      throw new QuantscopeError(
        'MODEL_FILE',
        said`The ${length} bytes from here on are not those that were written.`,
        {
          ...{ file: this.path, tensor: tensor.name, offset },
        },
      );
    known[chunk] = 1;
  }
}

/** Index of the first tensor that ends after an offset; tensors are listed by their offsets. */
function firstAfter(tensors: readonly TensorDigests[], offset: number): number {
  let [low, high] = [0, tensors.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (tensors[middle]!.offset + tensors[middle]!.bytes <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}
