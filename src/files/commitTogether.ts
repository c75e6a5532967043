import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { notePartials, partialName, type Move } from './partials';
import { syncFolder } from './syncFolder';
import { statIfPresent } from './target';
import { said } from '../protocol/said';

/** A complete and durable temporary file. */
export interface FinishedFile {
  readonly temporary: string;
  readonly destination: string;
}

/**
 * Puts several files in place together. All old files are moved away, the model's first file first, before the first new one appears, and the
 * first file appears last: a reader never finds parts of both, and a model whose first part is absent cannot be opened. An error
 * restores the old files; after a kill a later start finishes from the note.
 * @param obsolete files that describe the replaced ones and are not written again: they are removed.
 * @throws QuantscopeError IO naming the file that could not be moved.
 */
export async function commitTogether(
  files: readonly FinishedFile[],
  obsolete: readonly string[] = [],
): Promise<void> {
  const removed = await awayFrom(obsolete);
  const backups = await awayFrom(files.map(({ destination }) => destination));
  const moves = files.map(({ temporary, destination }): Move => ({ from: temporary, to: destination }));
  const notes = [await notePartials(removed.map(({ to }) => to))];
  const done: Move[] = [];
  const move = async (step: Move, file: string): Promise<void> => {
    await place(step, file);
    done.push(step);
  };
  try {
    // These go first: a later start that finishes from the note of the new files does not know them.
    for (const step of removed) await move(step, step.from);
    notes.push(
      await notePartials(
        backups.map(({ to }) => to),
        moves,
      ),
    );
    for (const step of backups) await move(step, step.from);
    for (const step of moves.toReversed()) await move(step, step.to);
  } catch (error) {
    await undo(done);
    for (const forget of notes) await forget();
    throw error;
  }
  // From here on the new files are in place, whatever else fails. An old one that cannot be removed is left to a later start.
  const left = await Promise.allSettled([...removed, ...backups].map(({ to }) => rm(to, { force: true })));
  if (left.every(({ status }) => status === 'fulfilled')) for (const forget of notes) await forget();
  for (const folder of new Set(files.map(({ destination }) => dirname(destination))))
    await syncFolder(folder).catch((cause: unknown) => Promise.reject(failure(folder, cause)));
}

/** Where files that exist are moved to while others take their places. */
async function awayFrom(files: readonly string[]): Promise<Move[]> {
  const moves: Move[] = [];
  for (const file of files) if (await statIfPresent(file)) moves.push({ from: file, to: partialName(file) });
  return moves;
}

async function place({ from, to }: Move, file: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    throw failure(file, cause);
  }
}

function failure(file: string, cause: unknown): QuantscopeError {
  return new QuantscopeError('IO', said`The file cannot be put in place: ${reason(cause)}`, { file }, cause);
}

/** Moves everything back, the last first. A file that cannot be moved stays; the original error is the one reported. */
async function undo(done: readonly Move[]): Promise<void> {
  for (const { from, to } of done.toReversed()) await rename(to, from).catch(() => undefined);
}
