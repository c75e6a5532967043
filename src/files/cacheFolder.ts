import { constants } from 'node:fs';
import { access, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reason } from '../model/byteSource';
import { cacheRoot } from '../model/cacheRoot';
import { makeFolder } from './makeFolder';
import { said } from '../protocol/said';

/** Where results are kept during a run. */
export interface CacheFolder {
  readonly folder: string;
  /** Why results are not kept after the run. */
  readonly warning?: string;
  /** Removes the folder if it was made for this run only. */
  close(): Promise<void>;
}

/** The user's cache or, if it is not writable, a temporary folder that is removed after the run. */
export async function openCacheFolder(): Promise<CacheFolder> {
  const { problem, ...opened } = await openWritableFolder(cacheRoot());
  if (problem === undefined) return opened;
  const warning = said`Results are not kept after this run: ${problem}. Set QUANTSCOPE_CACHE to a writable folder.`;
  return { ...opened, warning };
}

/** A writable folder: the requested one or, with the reason as `problem`, a temporary one. Close it. */
export async function openWritableFolder(
  wanted: string | undefined,
): Promise<Omit<CacheFolder, 'warning'> & { readonly problem?: string }> {
  const problem = wanted === undefined ? said`the user has no home directory` : await problemOf(wanted);
  if (wanted !== undefined && problem === undefined)
    return { folder: wanted, close: () => Promise.resolve() };
  const folder = await mkdtemp(join(tmpdir(), 'quantscope-'));
  const close = (): Promise<void> => rm(folder, { recursive: true, force: true });
  return { folder, close, ...(problem === undefined ? {} : { problem }) };
}

async function problemOf(folder: string): Promise<string | undefined> {
  try {
    await makeFolder(folder);
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return reason(error);
  }
}
