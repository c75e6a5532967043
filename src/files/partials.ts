import { randomBytes } from 'node:crypto';
import { readdir, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { cacheRoot } from '../model/cacheRoot';
import { isRecord } from '../model/json';
import { abandonedAfter, isAlive, ownerOf, ownName, processSpace } from './processSpace';
import { makeFolder } from './makeFolder';

/** Suffix of temporary files and folders. */
export const partialEnding = '.partial';

/** A complete temporary file or folder and its final name. */
export interface Move {
  readonly from: string;
  readonly to: string;
}

/** What a process records before it works, so another one can clean up if it is killed. */
interface Note {
  /** Temporary files and folders to remove. */
  readonly partials: readonly string[];
  /** A commit of several files in progress: to be finished before anything is removed. */
  readonly moves: readonly Move[];
}

/** Longest name of a file on common file systems (bytes). */
const maxName = 255;

/** `.name.RANDOM.partial`, next to the target, so a rename puts it in place. */
export function partialName(target: string): string {
  const ending = `.${randomBytes(6).toString('hex')}${partialEnding}`;
  const name = Buffer.from(basename(target)).subarray(0, maxName - 1 - ending.length);
  return join(dirname(target), `.${name.toString().replace(/\uFFFD+$/, '')}${ending}`);
}

/**
 * Notes that temporary files (or folders) are being written, so that a later start can remove them if this process is killed.
 * @param moves files that are complete and about to get their names: a later start finishes that.
 * @returns takes the note back.
 */
export async function notePartials(
  partials: readonly string[],
  moves: readonly Move[] = [],
): Promise<() => Promise<void>> {
  const folder = notesFolder();
  if (folder === undefined || partials.length + moves.length === 0) return () => Promise.resolve();
  const name = ownName();
  const note: Note = { partials, moves };
  try {
    await makeFolder(folder);
    // A note that is read must be complete: it gets its name when it is.
    await writeFile(join(folder, `${name}.new`), JSON.stringify(note), { flush: true });
    await rename(join(folder, `${name}.new`), join(folder, name));
  } catch {
    return () => Promise.resolve(); // no place for notes: the output matters more than the cleanup
  }
  return () => rm(join(folder, name), { force: true }).catch(() => undefined);
}

/**
 * Cleans up after killed processes: commits of several files in progress are finished, then temporary files and
 * folders are removed. Never throws.
 */
export async function removeAbandoned(): Promise<void> {
  const folder = notesFolder();
  if (folder === undefined) return;
  const names = await readdir(folder).catch(() => []);
  const abandoned: { file: string; note: Note }[] = [];
  for (const name of names) {
    const file = join(folder, name);
    const note = await readNote(file).catch(() => emptyNote);
    if (await isAbandoned(name, file, note)) abandoned.push({ file, note });
  }
  // Moves first: another note may call the files that they move partial.
  for (const { note } of abandoned) await finishMoves(note.moves).catch(() => undefined);
  const unfinished = new Set(abandoned.flatMap(({ note }) => note.moves.map(({ from }) => from)));
  for (const { file, note } of abandoned) await removePartials(file, note, unfinished);
}

const notesFolder = (): string | undefined => {
  const root = cacheRoot();
  return root === undefined ? undefined : join(root, 'partials');
};

/** Content of an incomplete or damaged note: nothing was started, or nothing is known. */
const emptyNote: Note = { partials: [], moves: [] };

async function readNote(file: string): Promise<Note> {
  const value: unknown = JSON.parse(await readFile(file, 'utf8'));
  if (!isRecord(value) || !Array.isArray(value['partials']) || !Array.isArray(value['moves']))
    return emptyNote;
  const isPartial = (path: unknown): path is string =>
    typeof path === 'string' && path.endsWith(partialEnding);
  const isMove = (move: unknown): move is Move =>
    isRecord(move) &&
    isPartial(move['from']) &&
    typeof move['to'] === 'string' &&
    dirname(move['to']) === dirname(move['from']);
  // A damaged note must not cost a file.
  return { partials: value['partials'].filter(isPartial), moves: value['moves'].filter(isMove) };
}

async function isAbandoned(name: string, file: string, { partials, moves }: Note): Promise<boolean> {
  const owner = ownerOf(name.replace(/\.new$/, ''));
  if (owner?.space === processSpace()) return !isAlive(owner);
  for (const path of [file, ...partials, ...moves.map(({ from }) => from)]) {
    const found = await stat(path).catch(() => undefined);
    if (found && Date.now() - found.mtimeMs < abandonedAfter) return false;
  }
  return true;
}

/** Old files are removed before the first new one appears, so no reader ever finds parts of both. */
async function finishMoves(moves: readonly Move[]): Promise<void> {
  const left: Move[] = [];
  for (const move of moves) if (await stat(move.from).catch(() => undefined)) left.push(move);
  for (const { to } of left) await rm(to, { force: true, recursive: true });
  for (const { from, to } of left.reverse()) await rename(from, to).catch(ignoreAbsence);
}

/** Another process may be cleaning up as well. */
function ignoreAbsence(error: NodeJS.ErrnoException): void {
  if (error.code !== 'ENOENT') throw error;
}

/** Removes the files of a note, then the note, unless moves that could not be finished need them. */
async function removePartials(
  file: string,
  { partials, moves }: Note,
  moving: ReadonlySet<string>,
): Promise<void> {
  try {
    const needed = [...moves.map(({ from }) => from), ...partials.filter((partial) => moving.has(partial))];
    for (const partial of needed) if (await stat(partial).catch(() => undefined)) return;
    for (const partial of partials) await rm(partial, { force: true, recursive: true });
    await rm(file, { force: true });
  } catch {
    // the disk is absent, or another process is cleaning up; the note stays for a later start
  }
}
