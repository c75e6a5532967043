import { open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { makeFolder } from './makeFolder';
import { notePartials, partialName, removeAbandoned } from './partials';
import { syncFolder } from './syncFolder';
import { statIfPresent } from './target';
import { said } from '../protocol/said';

/**
 * Makes a folder atomically: `fill` works in a temporary one next to it, which is synced and takes the target's name, or is removed, with the
 * folders above it that were made for it. A folder that has the name is replaced at the very end; after an error it is there as before.
 * Leftovers of a killed process are removed by a later start. The error that is thrown is the first one.
 * @returns what `fill` returned.
 * @throws QuantscopeError IO when the file system does not allow it, also in `fill`; anything else that `fill` throws.
 */
export async function makeFolderAtomically<T>(
  target: string,
  fill: (folder: string) => Promise<T>,
): Promise<T> {
  const temporary = partialName(target);
  await removeAbandoned();
  const forget = await notePartials([temporary]);
  let made: string | undefined;
  try {
    made = await makeFolder(temporary);
    const result = await fill(temporary);
    await syncFiles(temporary);
    await putInPlace(temporary, target);
    return result;
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    if (made !== undefined && made !== temporary) await removeEmptyFolders(dirname(target), made);
    if (!isOfFileSystem(cause)) throw cause;
    throw new QuantscopeError(
      'IO',
      said`The folder cannot be created: ${reason(cause)}`,
      { file: target },
      cause,
    );
  } finally {
    await forget();
  }
}

/** Whether an error is what the operating system said: "ENOSPC". Errors of Node.js itself begin with ERR_. */
const isOfFileSystem = (cause: unknown): boolean => {
  const { code } = cause as NodeJS.ErrnoException;
  return code !== undefined && /^E[A-Z0-9]+$/.test(code);
};

/** Removes a folder atomically: it loses its name first. An absent one is not an error. */
export async function removeFolder(target: string): Promise<void> {
  const temporary = partialName(target);
  const forget = await notePartials([temporary]);
  try {
    await rename(target, temporary);
    await rm(temporary, { recursive: true });
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ENOENT') return;
    throw new QuantscopeError(
      'IO',
      said`The folder cannot be removed: ${reason(cause)}`,
      { file: target },
      cause,
    );
  } finally {
    await forget();
  }
}

/** Removes an empty folder. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => undefined); // it is not empty, or already removed
}

/** Removes empty folders from one up to another that it lies in. */
export async function removeEmptyFolders(from: string, upTo: string): Promise<void> {
  try {
    for (let folder = from; folder.length >= upTo.length; folder = dirname(folder)) await rmdir(folder);
  } catch {
    // another process has put something there: leave it
  }
}

/** Files at any depth, by their path in the folder, with their bytes. */
export async function filesUnder(folder: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const name of await readdir(folder, { recursive: true })) {
    const found = await stat(join(folder, name));
    if (found.isFile()) files.set(name, found.size);
  }
  return files;
}

/** Renames a complete folder. One that it replaces is moved away first, and back after an error; after a kill a later start finishes. */
async function putInPlace(temporary: string, target: string): Promise<void> {
  if (!(await statIfPresent(target))) {
    await rename(temporary, target);
    return syncFolder(dirname(target));
  }
  const backup = partialName(target);
  const forget = await notePartials([backup], [{ from: temporary, to: target }]);
  try {
    await rename(target, backup);
    await rename(temporary, target);
  } catch (error) {
    await rename(backup, target).catch(() => undefined); // it was not moved away, or cannot be moved back: the first error counts
    await forget();
    throw error;
  }
  await syncFolder(dirname(target));
  const isRemoved = await rm(backup, { recursive: true, force: true }).then(
    () => true,
    () => false, // left to a later start
  );
  if (isRemoved) await forget();
}

async function syncFiles(folder: string): Promise<void> {
  for (const name of (await filesUnder(folder)).keys()) {
    const handle = await open(join(folder, name), 'r+');
    await handle.sync().finally(() => handle.close());
  }
}
