import { readdir, rm, rmdir, stat, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { reason } from '../model/byteSource';
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
import { said } from '../protocol/said';

const beginning = 'lock-';

/** Attempts to put a lock into a folder that others remove when they give up theirs. */
const mostAttempts = 10;

/**
 * Keeps others that ask for the same lock from a folder, in this process too; locks of processes that have ended do not count. Each owner has
 * a file of its own, so that no lock is ever taken over: of two that ask at the same moment, both may be refused.
 * @param what is being done in the folder: the beginning of the error's sentence.
 * @returns takes the lock back, and the folder with it where that is empty.
 * @throws QuantscopeError REQUEST naming the process that has the lock; IO where the folder cannot be written to.
 */
export async function lockFolder(folder: string, what: string): Promise<() => Promise<void>> {
  const own = `${beginning}${ownName()}`;
  const unlock = async (): Promise<void> => {
    await rm(join(folder, own), { force: true });
    await rmdir(folder).catch(() => undefined);
  };
  await putLock(folder, own);
  const owner = await otherOwner(folder, own).catch(async (error: unknown) => {
    await unlock();
    throw error;
  });
  if (owner === undefined) return unlock;
  await unlock();
  const message = said`${what} is already running in process ${owner}: wait until it ends, or stop it.`;
  throw new QuantscopeError('REQUEST', message, { file: folder });
}

/** @throws QuantscopeError IO. */
async function putLock(folder: string, name: string): Promise<void> {
  for (let attempt = 1; ; attempt++) {
    try {
      await makeFolder(folder);
      return await writeFile(join(folder, name), '');
    } catch (cause) {
      const isRemoved = (cause as NodeJS.ErrnoException).code === 'ENOENT';
      if (isRemoved && attempt < mostAttempts) continue;
      const message = said`The folder cannot be locked: ${reason(cause)}`;
      throw new QuantscopeError('IO', message, { file: folder }, cause);
    }
  }
}

/** The process id of another owner; files of those that have ended are removed. */
async function otherOwner(folder: string, own: string): Promise<number | undefined> {
  for (const name of await readdir(folder)) {
    const owner = name.startsWith(beginning) ? ownerOf(name.slice(beginning.length)) : undefined;
    if (!owner || name === own) continue;
    if (await isHeld(join(folder, name), owner)) return owner.pid;
    await rm(join(folder, name), { force: true }).catch(() => undefined); // it does not count either way
  }
  return undefined;
}

async function isHeld(file: string, owner: ProcessIdentity): Promise<boolean> {
  if (owner.space === processSpace()) return isAlive(owner);
  const found = await stat(file).catch(() => undefined);
  return found !== undefined && Date.now() - found.mtimeMs < abandonedAfter;
}
