import { readdir, rm, stat, utimes } from 'node:fs/promises';
import { join } from 'node:path';

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
