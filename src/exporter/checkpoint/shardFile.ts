import { open, writeFile, type FileHandle } from 'node:fs/promises';
import { chunkSize } from '../../files/digests/chunkDigests';
import { manifestPath, printManifest, type Origin } from '../../files/digests/manifest';
import { DigestRecorder, type RecordBytes } from '../../files/digests/recorder';
import type { StoredTensor } from '../../layouts/layout';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { safetensorsHeader, tensorBytes, type SafetensorsTensor } from '../safetensorsHeader';
import { said } from '../../protocol/said';

/** Dtypes by increasing alignment, as the safetensors library orders them: tensors of a file are sorted by it, the largest first. */
const byAlignment = [
  ...[
    'BOOL',
    'F4',
    'F6_E2M3',
    'F6_E3M2',
    'U8',
    'I8',
    'F8_E5M2',
    'F8_E4M3',
    'F8_E8M0',
    'I16',
    'U16',
    'F16',
    'BF16',
  ],
  ...['I32', 'U32', 'F32', 'C64', 'F64', 'I64', 'U64'],
];

/**
 * The order of the tensors of a file, that of the safetensors library: by alignment, then by name, so that every tensor is aligned. Tensors
 * whose size depends on their values come last.
 */
export function inFileOrder(parts: readonly StoredTensor[]): StoredTensor[] {
  const rank = ({ dtype, atMost }: StoredTensor): number => (atMost ? -2 : byAlignment.indexOf(dtype));
  return [...parts].sort((a, b) => rank(b) - rank(a) || (a.name < b.name ? -1 : 1));
}

/** Bytes of the file, at most. */
export function shardFileBytes(
  parts: readonly StoredTensor[],
  metadata: Readonly<Record<string, string>>,
): number {
  return safetensorsHeader(inFileOrder(parts), metadata).length + sizesOf(parts);
}

interface Place {
  readonly part: StoredTensor;
  /** Where its data starts in the file; tensors whose size depends on their values are held until the end. */
  readonly start: number;
  readonly size: number;
  written: number;
  held?: Uint8Array;
  /** Takes the bytes of a tensor of fixed size. */
  record?: RecordBytes;
}

/**
 * A safetensors file that is written in any order of tensors: the header has its place from the beginning and is written at the end, when all
 * sizes are known. Call `finish`, or `close` after an error.
 */
export class ShardFile {
  private readonly places = new Map<string, Place>();
  private readonly headerLength: number;
  private readonly digests: DigestRecorder;
  private fixedEnd: number;

  private constructor(
    private readonly path: string,
    private readonly handle: FileHandle,
    parts: readonly StoredTensor[],
    private readonly metadata: Readonly<Record<string, string>>,
  ) {
    this.headerLength = safetensorsHeader(parts, metadata).length;
    this.fixedEnd = this.headerLength;
    for (const part of parts) {
      const size = tensorBytes(part);
      this.places.set(part.name, { part, start: this.fixedEnd, size, written: 0 });
      if (!part.atMost) this.fixedEnd += size;
    }
    this.digests = new DigestRecorder(chunkSize(this.headerLength + sizesOf(parts)));
    for (const place of this.places.values())
      if (!place.part.atMost) place.record = this.recordOf(place.part, place.start, place.size);
  }

  /** @throws QuantscopeError IO; REQUEST for two tensors of one name. */
  static async create(
    path: string,
    parts: readonly StoredTensor[],
    metadata: Readonly<Record<string, string>>,
  ): Promise<ShardFile> {
    const ordered = inFileOrder(parts);
    safetensorsHeader(ordered, metadata); // a duplicate name is an error before anything is written
    try {
      return new ShardFile(path, await open(path, 'wx'), ordered, metadata);
    } catch (cause) {
      throw failure(path, cause);
    }
  }

  /** Appends bytes to a tensor. @throws QuantscopeError IO; INTERNAL where the tensor gets more bytes than its shape has. */
  async write(name: string, bytes: Uint8Array): Promise<void> {
    const place = this.places.get(name)!;
    const at = place.start + place.written;
    place.written += bytes.length;
    this.check(
      place,
      place.part.atMost
        ? place.held === undefined && place.written <= place.size
        : place.written <= place.size,
    );
    if (place.part.atMost) {
      place.held = bytes;
      return;
    }
    place.record!(at - place.start, bytes);
    await this.writeAt(at, bytes);
  }

  /**
   * Writes what was held, and the header, makes the file durable, and writes the list of its digests beside it.
   * @returns bytes of each tensor, by name.
   */
  async finish(origin: Origin): Promise<ReadonlyMap<string, number>> {
    const written: StoredTensor[] = [];
    let end = this.fixedEnd;
    for (const place of this.places.values()) {
      const { part, held } = place;
      this.check(place, part.atMost ? held !== undefined : place.written === place.size);
      written.push(held ? { ...part, shape: [held.length] } : part);
      if (!held) continue;
      this.recordOf({ ...part, shape: [held.length] }, end, held.length)(0, held);
      await this.writeAt(end, held);
      end += held.length;
    }
    await this.writeAt(0, safetensorsHeader(written, this.metadata, this.headerLength));
    try {
      await this.handle.sync();
      await this.handle.close();
    } catch (cause) {
      throw failure(this.path, cause);
    }
    const manifest = await this.digests.finish(this.path, origin);
    await writeFile(manifestPath(this.path), printManifest(manifest));
    return new Map(written.map((part) => [part.name, tensorBytes(part)]));
  }

  private recordOf({ name, dtype, shape }: SafetensorsTensor, offset: number, bytes: number): RecordBytes {
    return this.digests.tensor({ name, dtype, shape, offset, bytes });
  }

  /** Leaves the file as it is. */
  async close(): Promise<void> {
    await this.handle.close().catch(() => undefined); // closed before, or its content is no longer needed
  }

  private check({ part, size, written }: Place, isRight: boolean): void {
    if (isRight) return;
    const message = part.atMost
      ? said`${written} bytes were written where dtype and shape require at most ${size}.`
      : said`${written} bytes were written where dtype and shape require ${size}.`;
    throw new QuantscopeError('INTERNAL', message, { file: this.path, tensor: part.name });
  }

  private async writeAt(offset: number, bytes: Uint8Array): Promise<void> {
    try {
      for (let done = 0; done < bytes.length;) {
        const { bytesWritten } = await this.handle.write(bytes, done, bytes.length - done, offset + done);
        if (bytesWritten === 0) throw new Error('the operating system accepts no more bytes');
        done += bytesWritten;
      }
    } catch (cause) {
      throw failure(this.path, cause);
    }
  }
}

const sizesOf = (parts: readonly StoredTensor[]): number =>
  parts.reduce((sum, part) => sum + tensorBytes(part), 0);

function failure(file: string, cause: unknown): QuantscopeError {
  return new QuantscopeError('IO', said`The file cannot be written: ${reason(cause)}`, { file }, cause);
}
