import { statfs } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { size } from '../protocol/words';
import { said } from '../protocol/said';

/**
 * Checks that `bytes`, which `what` needs, fit into the file system of the target. An existing target counts as used space: it stays
 * until the new file replaces it.
 * @param remedy what the user can do, as a sentence after a space.
 * @throws QuantscopeError IO with both figures when it does not fit.
 */
export async function ensureFreeSpace(
  target: string,
  bytes: number,
  what = said`The export`,
  remedy = '',
): Promise<void> {
  const free = await freeBytes(dirname(resolve(target)));
  if (free === undefined || free >= bytes) return;
  const message = said`${what} needs ${size(bytes)}, but only ${size(free)} are free.${remedy}`;
  throw new QuantscopeError('IO', message, { file: target });
}

/** Whether `bytes` fit into the file system of the target; true where that is not known. */
export async function fits(target: string, bytes: number): Promise<boolean> {
  return ((await freeBytes(dirname(resolve(target)))) ?? Infinity) >= bytes;
}

/** What to do where the cache has no room. */
export const cacheRemedy = said` Free some there; the command line keeps such files in the folder QUANTSCOPE_CACHE, which may be on another disk.`;

/** Bytes free to this user in the file system of a folder, or of the nearest folder above that exists. */
async function freeBytes(folder: string): Promise<number | undefined> {
  try {
    const { bavail, bsize } = await statfs(folder);
    return bavail * bsize;
  } catch {
    const above = dirname(folder);
    return above === folder ? undefined : freeBytes(above);
  }
}
