import { open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { makeFolder } from '../../files/makeFolder';
import { notePartials, partialName, removeAbandoned } from '../../files/partials';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';

/**
 * Makes a folder atomically: `fill` works in a temporary one next to it, which is synced and takes the target's name, or is removed.
 * Leftovers of a killed process are removed by a later start. The error that is thrown is the first one.
 * @throws QuantscopeError IO when the file system does not allow it; what `fill` throws.
 */
export async function makeFolderAtomically(
  target: string,
  fill: (folder: string) => Promise<void>,
): Promise<void> {
  const temporary = partialName(target);
  await removeAbandoned();
  const forget = await notePartials([temporary]);
  try {
    await makeFolder(temporary);
    await fill(temporary);
    await syncFiles(temporary);
    await removeFolder(target);
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true }).catch(() => undefined);
    await removeIfEmpty(dirname(target));
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError(
      'IO',
      `The folder cannot be created: ${reason(cause)}`,
      { file: target },
      cause,
    );
  } finally {
    await forget();
  }
}

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
      `The folder cannot be removed: ${reason(cause)}`,
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

/** Files at any depth, by their path in the folder, with their bytes. */
export async function filesUnder(folder: string): Promise<Map<string, number>> {
  const files = new Map<string, number>();
  for (const name of await readdir(folder, { recursive: true })) {
    const found = await stat(join(folder, name));
    if (found.isFile()) files.set(name, found.size);
  }
  return files;
}

async function syncFiles(folder: string): Promise<void> {
  for (const name of (await filesUnder(folder)).keys()) {
    const handle = await open(join(folder, name), 'r+');
    await handle.sync().finally(() => handle.close());
  }
}
