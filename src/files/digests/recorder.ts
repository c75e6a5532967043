import { createHash } from 'node:crypto';
import { openFileSource, type ByteSource } from '../../model/byteSource';
import { throwIfCancelled } from '../../model/errors';
import { ChunkDigests } from './chunkDigests';
import { rangesOutside, type PlacedTensor } from './rangesOutside';
import type { DigestedTensor, DigestManifest, Origin, TensorDigests } from './manifest';

/** Bytes of one read. */
const readBytes = 1 << 20;

/** Takes bytes of a tensor as they are written; `offset` counts from its start. */
export type RecordBytes = (offset: number, bytes: Uint8Array) => void;

interface Recorded {
  readonly tensor: DigestedTensor;
  readonly digests: ChunkDigests;
  /** Where the next bytes are expected. */
  end: number;
  /** Whether all bytes came in order: others are read back from the file. */
  isOrdered: boolean;
}

/** Computes the digests of a file's tensors while they are written, so that they are those of what was to be written. */
export class DigestRecorder {
  private readonly tensors: Recorded[] = [];

  /** @param chunkBytes that share a digest: `chunkSize` of the file to be. */
  constructor(private readonly chunkBytes: number) {}

  /** Announces a tensor. @returns what takes its bytes. */
  tensor(tensor: DigestedTensor): RecordBytes {
    const recorded: Recorded = {
      ...{ tensor, digests: new ChunkDigests(this.chunkBytes), end: 0, isOrdered: true },
    };
    this.tensors.push(recorded);
    return (offset, bytes) => {
      recorded.isOrdered &&= offset === recorded.end;
      recorded.end = offset + bytes.length;
      if (recorded.isOrdered) recorded.digests.add(bytes);
    };
  }

  /**
   * The digests of the complete file. Reads what is not of tensors, and tensors whose bytes were not written in order.
   * @param path where the file is now.
   * @throws QuantscopeError IO; CANCELLED.
   */
  async finish(path: string, origin: Origin | undefined, signal?: AbortSignal): Promise<DigestManifest> {
    const source = await openFileSource(path);
    try {
      const tensors: TensorDigests[] = [];
      for (const { tensor, digests, isOrdered } of this.inFile()) {
        const chunks = isOrdered
          ? digests.finish()
          : await readChunks(source, tensor, this.chunkBytes, signal);
        tensors.push({ ...tensor, chunks });
      }
      const outside = await digestsOutside(source, tensors, signal);
      const { chunkBytes } = this;
      return { bytes: source.size, chunkBytes, outside, tensors, ...(origin ? { origin } : {}) };
    } finally {
      await source.close();
    }
  }

  /** In the order of the file: of tensors at one place, all but the last are empty. */
  private inFile(): readonly Recorded[] {
    return this.tensors.toSorted(({ tensor: a }, { tensor: b }) => a.offset - b.offset || a.bytes - b.bytes);
  }
}

async function readChunks(
  source: ByteSource,
  { offset, bytes }: DigestedTensor,
  chunkBytes: number,
  signal: AbortSignal | undefined,
): Promise<Uint8Array> {
  const digests = new ChunkDigests(chunkBytes);
  for await (const piece of piecesOf(source, offset, offset + bytes, signal)) digests.add(piece);
  return digests.finish();
}

/** The SHA-256 digests of the ranges outside of tensors, one after the other. @param tensors as for `rangesOutside`. */
export async function digestsOutside(
  source: ByteSource,
  tensors: readonly PlacedTensor[],
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const digests: Uint8Array[] = [];
  for (const { offset, bytes } of rangesOutside(tensors, source.size)) {
    const hash = createHash('sha256');
    for await (const piece of piecesOf(source, offset, offset + bytes, signal)) hash.update(piece);
    digests.push(hash.digest());
  }
  return Buffer.concat(digests);
}

/** The bytes from `start` to before `end`. A piece is valid until the next one is requested. */
export async function* piecesOf(
  source: ByteSource,
  start: number,
  end: number,
  signal: AbortSignal | undefined,
): AsyncGenerator<Uint8Array> {
  const buffer = new Uint8Array(Math.max(0, Math.min(readBytes, end - start)));
  for (let at = start; at < end; at += readBytes) {
    throwIfCancelled(signal);
    const piece = buffer.subarray(0, Math.min(readBytes, end - at));
    await source.readInto(piece, at, signal);
    yield piece;
  }
}
