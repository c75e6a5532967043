import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { cacheRoot } from '../model/cacheRoot';

const folder = (): string => join(cacheRoot(), 'partials');
const host = (): string => hostname().replace(/[^\w]/g, '_');

/**
 * Notes that a temporary file (or folder) is being written, so that the next start can remove it if this process is killed.
 * @returns takes the note back.
 */
export async function notePartial(file: string): Promise<() => Promise<void>> {
  const note = join(folder(), `${host()}-${process.pid}-${randomBytes(4).toString('hex')}`);
  try {
    await mkdir(folder(), { recursive: true });
    await writeFile(note, file);
  } catch {
    return () => Promise.resolve(); // no place for notes: the export is worth more than the tidiness
  }
  return () => rm(note, { force: true });
}

/** Removes the temporary files and folders that killed processes of this machine left behind. Never throws. */
export async function removeAbandoned(): Promise<void> {
  const names = await readdir(folder()).catch(() => []);
  for (const name of names) {
    const [, owner, pid] = /^(\w+)-(\d+)-[0-9a-f]{8}$/.exec(name) ?? [];
    if (owner !== host() || isAlive(Number(pid))) continue;
    const note = join(folder(), name);
    try {
      const file = await readFile(note, 'utf8');
      if (file.endsWith(partialEnding)) await rm(file, { force: true, recursive: true });
      await rm(note, { force: true });
    } catch {
      // another process is at it, or the disk is away; the note stays for the next start
    }
  }
}

/** What temporary files end in. */
export const partialEnding = '.partial';

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    return (error as NodeJS.ErrnoException).code !== 'ESRCH';
  }
}
