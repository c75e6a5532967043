import { readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { makeFolder } from './makeFolder';
import {
  abandonedAfter,
  isAlive,
  ownerOf,
  ownName,
  processSpace,
  type ProcessIdentity,
} from './processSpace';

const beginning = 'lock-';

/**
 * Keeps others that ask for the same lock from a folder, in this process too; locks of processes that have ended do not count. Each owner has
 * a file of its own, so that no lock is ever taken over: of two that ask at the same moment, both may be refused.
 * @param what is being done in the folder: the beginning of the error's sentence.
 * @returns takes the lock back, and the folder with it where that is empty.
 * @throws QuantscopeError REQUEST naming the process that has the lock; the error of the operating system.
 */
export async function lockFolder(folder: string, what: string): Promise<() => Promise<void>> {
  const own = `${beginning}${ownName()}`;
  const unlock = async (): Promise<void> => {
    await rm(join(folder, own), { force: true });
    await rmdir(folder).catch(() => undefined);
  };
  await makeFolder(folder);
  await writeFile(join(folder, own), '');
  const owner = await otherOwner(folder, own).catch(async (error: unknown) => {
    await unlock();
    throw error;
  });
  if (owner === undefined) return unlock;
  await unlock();
  const message = `${what} is already running in process ${owner}: wait until it ends, or stop it.`;
  throw new QuantscopeError('REQUEST', message, { file: folder });
}

/** The process id of another owner; files of those that have ended are removed. */
async function otherOwner(folder: string, own: string): Promise<number | undefined> {
  for (const name of await readdir(folder)) {
    const owner = name.startsWith(beginning) ? ownerOf(name.slice(beginning.length)) : undefined;
    if (!owner || name === own) continue;
    if (await isHeld(join(folder, name), owner)) return owner.pid;
    await rm(join(folder, name), { force: true });
  }
  return undefined;
}

async function isHeld(file: string, owner: ProcessIdentity): Promise<boolean> {
  if (owner.space === processSpace()) return isAlive(owner);
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < abandonedAfter;
}
