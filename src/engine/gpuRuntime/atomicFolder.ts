import { randomBytes } from 'node:crypto';
import { mkdir, open, readdir, rename, rm, rmdir, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { notePartial, partialEnding, removeAbandoned } from '../../exporter/partials';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';

/**
 * Makes a folder that appears whole or not at all: `fill` works in a temporary one beside it, which is synced and takes the
 * target's name, or is removed. What a killed process leaves, the next start removes.
 * @throws QuantscopeError IO when the file system refuses; what `fill` throws.
 */
export async function makeFolder(target: string, fill: (folder: string) => Promise<void>): Promise<void> {
  const temporary = temporaryName(target);
  await removeAbandoned();
  const forget = await notePartial(temporary);
  try {
    await mkdir(temporary, { recursive: true });
    await fill(temporary);
    await syncFiles(temporary);
    await removeFolder(target);
    await rename(temporary, target);
  } catch (cause) {
    await rm(temporary, { recursive: true, force: true });
    await removeIfEmpty(dirname(target));
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError('IO', `The folder cannot be made: ${reason(cause)}`, { file: target }, cause);
  } finally {
    await forget();
  }
}

/** Removes a folder, whole as seen from outside: it loses its name first. An absent one is no error. */
export async function removeFolder(target: string): Promise<void> {
  const temporary = temporaryName(target);
  const forget = await notePartial(temporary);
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

/** Removes a folder that has nothing in it. */
export async function removeIfEmpty(folder: string): Promise<void> {
  await rmdir(folder).catch(() => undefined); // there is something in it, or it is gone already
}

/** `.name.RANDOM.partial`, beside the target. */
function temporaryName(target: string): string {
  return join(dirname(target), `.${basename(target)}.${randomBytes(6).toString('hex')}${partialEnding}`);
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
