import { createHash, type Hash } from 'node:crypto';

/** Bytes of a SHA-256 digest. */
export const digestBytes = 32;

const smallestChunk = 32 * 1024;
/** Chunks that a file is cut into at most, so that a list of digests has at most some megabytes. */
const mostChunks = 262_144;

/** Bytes that share a digest in a file of `fileBytes`: a power of two from 32 KiB on, larger in files of more than 8 GiB. */
export function chunkSize(fileBytes: number): number {
  let size = smallestChunk;
  while (fileBytes / size > mostChunks) size *= 2;
  return size;
}

/** Digests of consecutive chunks of some bytes, which are given in order, in any pieces; the last chunk may be shorter. */
export class ChunkDigests {
  private readonly finished: Uint8Array[] = [];
  private hash: Hash | undefined;
  /** Bytes of the chunk that is not complete. */
  private filled = 0;

  constructor(private readonly chunkBytes: number) {}

  add(bytes: Uint8Array): void {
    for (let done = 0; done < bytes.length;) {
      const taken = Math.min(bytes.length - done, this.chunkBytes - this.filled);
      this.hash ??= createHash('sha256');
      this.hash.update(bytes.subarray(done, done + taken));
      this.filled += taken;
      done += taken;
      if (this.filled === this.chunkBytes) this.close();
    }
  }

  /** The digests of all chunks, one after the other. Nothing can be added after it. */
  finish(): Uint8Array {
    if (this.filled > 0) this.close();
    return Buffer.concat(this.finished);
  }

  private close(): void {
    this.finished.push(this.hash!.digest());
    this.hash = undefined;
    this.filled = 0;
  }
}

/** The digest of a tensor: SHA-256 of the digests of its chunks, in hexadecimal digits. */
export const digestOf = (chunks: Uint8Array): string => createHash('sha256').update(chunks).digest('hex');
