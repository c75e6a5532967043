import { createHash, type Hash } from 'node:crypto';
import { open, type FileHandle } from 'node:fs/promises';
import { writeAtomically } from './atomicFile';

/** Bytes of the SHA-256 digest that ends a sealed file. */
export const sealBytes = 32;

export type Numbers = Float32Array | Float64Array | Int32Array;

/** Bytes of one read while a digest is checked. */
const chunkBytes = 1 << 20;

/** Node reads and hashes less than 2 GiB at a time. */
const maxBytesAtOnce = 1 << 30;

/**
 * Writes numbers that this program keeps for itself, atomically, and after them the SHA-256 digest of their bytes: it detects damage
 * and edits, not forgery.
 */
export async function writeSealed(
  file: string,
  fill: (append: (values: Numbers) => Promise<void>) => Promise<void>,
): Promise<void> {
  await writeAtomically(file, async (target) => {
    const hash = createHash('sha256');
    await fill(async ({ buffer, byteOffset, byteLength }) => {
      const bytes = new Uint8Array(buffer, byteOffset, byteLength);
      updateWith(hash, bytes, maxBytesAtOnce);
      await target.write(bytes);
    });
    await target.write(hash.digest());
  });
}

/**
 * Fills `target` with the numbers of a sealed file. False when it does not hold exactly so many, or not as they were written, or cannot
 * be read.
 * @param most bytes that are read and hashed at a time.
 */
export async function readSealed(file: string, target: Numbers, most = maxBytesAtOnce): Promise<boolean> {
  const handle = await open(file).catch(() => undefined);
  if (!handle) return false;
  const bytes = new Uint8Array(target.buffer, target.byteOffset, target.byteLength);
  try {
    if ((await handle.stat()).size !== bytes.length + sealBytes) return false;
    const digest = new Uint8Array(sealBytes);
    for (const [part, start] of [
      [bytes, 0],
      [digest, bytes.length],
    ] as const)
      if (!(await fill(handle, part, start, most))) return false;
    return updateWith(createHash('sha256'), bytes, most).digest().equals(digest);
  } catch {
    return false; // a failing disk: the same as if the file were absent
  } finally {
    await handle.close();
  }
}

/** A read may give fewer bytes than requested. */
async function fill(handle: FileHandle, target: Uint8Array, start: number, most: number): Promise<boolean> {
  for (let done = 0; done < target.length;) {
    const length = Math.min(most, target.length - done);
    const { bytesRead } = await handle.read(target, done, length, start + done);
    if (bytesRead === 0) return false;
    done += bytesRead;
  }
  return true;
}

/** The hash with further bytes, of which it gets so many at a time. */
function updateWith(hash: Hash, bytes: Uint8Array, most: number): Hash {
  for (let done = 0; done < bytes.length; done += most) hash.update(bytes.subarray(done, done + most));
  return hash;
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
