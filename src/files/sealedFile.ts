import { createHash, type Hash } from 'node:crypto';
import type { FileHandle } from 'node:fs/promises';
import { writeAtomically } from './atomicFile';

/** Bytes of the SHA-256 digest that ends a sealed file. */
export const sealBytes = 32;

/** Bytes of one read while a digest is checked. */
const chunkBytes = 1 << 20;

/**
 * Writes numbers that this program keeps for itself, atomically, and after them the SHA-256 digest of their bytes: it detects damage
 * and edits, not forgery.
 */
export async function writeSealed(
  file: string,
  fill: (append: (values: Float32Array | Float64Array) => Promise<void>) => Promise<void>,
): Promise<void> {
  await writeAtomically(file, async (target) => {
    const hash = createHash('sha256');
    await fill(async ({ buffer, byteOffset, byteLength }) => {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      hash.update(bytes);
      await target.write(bytes);
    });
    await target.write(hash.digest());
  });
}

/** Whether a file is exactly `length` bytes and their digest. Reads it whole, in chunks. */
export async function isSealed(handle: FileHandle, length: number): Promise<boolean> {
  const { size } = await handle.stat();
  if (size !== length + sealBytes) return false;
  const hash = createHash('sha256');
  await readAll(handle, length, hash);
  const digest = new Uint8Array(sealBytes);
  const { bytesRead } = await handle.read(digest, 0, sealBytes, length);
  return bytesRead === sealBytes && hash.digest().equals(digest);
}

async function readAll(handle: FileHandle, length: number, hash: Hash): Promise<void> {
  const chunk = new Uint8Array(Math.min(chunkBytes, length));
  for (let done = 0; done < length;) {
    const { bytesRead } = await handle.read(chunk, 0, Math.min(chunk.length, length - done), done);
    if (bytesRead === 0) return; // the digest of fewer bytes is another one
    hash.update(chunk.subarray(0, bytesRead));
    done += bytesRead;
  }
}
