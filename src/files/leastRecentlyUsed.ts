import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';
import { filesUnder } from './atomicFolder';

/** Notes that a kept file was used now. A failure costs only its age. */
export async function markUsed(file: string): Promise<void> {
  const now = new Date();
  await utimes(file, now, now).catch(() => undefined);
}

/**
 * Removes the least recently used files of a folder, until the others take at most `limit` bytes.
 * @param ending of the names of files that count.
 * @param kept stays, whatever it takes.
 * @throws Error of the file system.
 */
export async function trimFiles(
  folder: string,
  ending: string,
  { limit, kept }: { readonly limit: number; readonly kept: string },
): Promise<void> {
  const names = (await readdir(folder)).filter((name) => name.endsWith(ending));
  const found = await Promise.all(
    names.map(async (name) => {
      const file = join(folder, name);
      const facts = await stat(file).catch(() => undefined); // another process has removed it
      return facts && { file, size: facts.size, mtimeMs: facts.mtimeMs };
    }),
  );
  const files = found.filter((file) => file !== undefined);
  let total = files.reduce((sum, { size }) => sum + size, 0);
  for (const { file, size } of files.sort((a, b) => a.mtimeMs - b.mtimeMs)) {
    if (total <= limit) return;
    if (file === kept) continue;
    await rm(file, { force: true });
    total -= size;
  }
}

/** Which folders stay, and how others are removed. */
export interface FolderTrim {
  /** Bytes that all may take together. */
  readonly limit: number;
  /** Stays, whatever it takes. */
  readonly kept: string;
  /** The file in each whose time says when the folder was used. */
  readonly marker: string;
  /** @returns whether the folder is gone. */
  readonly remove: (folder: string) => Promise<boolean>;
}

/** Removes the least recently used folders, until the others take at most `limit` bytes. */
export async function trimFolders(
  folders: readonly string[],
  { limit, kept, marker, remove }: FolderTrim,
): Promise<void> {
  const found = await Promise.all(folders.map((folder) => spaceOf(folder, marker)));
  const present = found.filter((item) => item !== undefined).sort((a, b) => a.usedMs - b.usedMs);
  let total = present.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const { folder, bytes } of present) {
    if (total <= limit) return;
    if (folder !== kept && (await remove(folder))) total -= bytes;
  }
}

/** What a folder takes, and when it was used last; undefined where another process has removed it. */
async function spaceOf(
  folder: string,
  marker: string,
): Promise<{ folder: string; bytes: number; usedMs: number } | undefined> {
  try {
    const bytes = [...(await filesUnder(folder)).values()].reduce((sum, size) => sum + size, 0);
    const { mtimeMs } = await stat(join(folder, marker)).catch(() => stat(folder));
    return { folder, bytes, usedMs: mtimeMs };
  } catch {
    return undefined;
  }
}
