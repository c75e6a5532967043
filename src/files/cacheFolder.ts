import { constants } from 'node:fs';
import { access, mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { reason } from '../model/byteSource';
import { cacheRoot } from '../model/cacheRoot';

/** Where results are kept during a run. */
export interface CacheFolder {
  readonly folder: string;
  /** Why nothing is kept after the run. */
  readonly warning?: string;
  /** Removes the folder if it was made for this run only. */
  close(): Promise<void>;
}

/** The user's cache, or where there is none that can be written, a temporary folder that is removed after the run. */
export async function openCacheFolder(): Promise<CacheFolder> {
  const root = cacheRoot();
  const problem = root === undefined ? 'the user has no home directory' : await problemOf(root);
  if (root !== undefined && problem === undefined) return { folder: root, close: () => Promise.resolve() };
  const folder = await mkdtemp(join(tmpdir(), 'quantscope-'));
  const warning = `Results are not kept after this run: ${problem}. Set QUANTSCOPE_CACHE to a folder that can be written.`;
  return { folder, warning, close: () => rm(folder, { recursive: true, force: true }) };
}

async function problemOf(folder: string): Promise<string | undefined> {
  try {
    await mkdir(folder, { recursive: true });
    await access(folder, constants.W_OK | constants.X_OK);
    return undefined;
  } catch (error) {
    return reason(error);
  }
}
