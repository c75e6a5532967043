import { rename, rm } from 'node:fs/promises';
import { dirname } from 'node:path';
import { reason } from '../model/byteSource';
import { QuantscopeError } from '../model/errors';
import { notePartials, partialName, type Move } from './partials';
import { syncFolder } from './syncFolder';
import { statIfPresent } from './target';

/** A complete and durable temporary file. */
export interface FinishedFile {
  readonly temporary: string;
  readonly destination: string;
}

/**
 * Puts several files in place together. All old files are moved away, the model's first file first, before the first new one appears, and the
 * first file appears last: a reader never finds parts of both, and a model whose first part is absent cannot be opened. An error
 * restores the old files; after a kill a later start finishes from the note.
 * @throws QuantscopeError IO naming the file that could not be moved.
 */
export async function commitTogether(files: readonly FinishedFile[]): Promise<void> {
  const backups: Move[] = [];
  for (const { destination } of files)
    if (await statIfPresent(destination)) backups.push({ from: destination, to: partialName(destination) });
  const moves = files.map(({ temporary, destination }): Move => ({ from: temporary, to: destination }));
  const forget = await notePartials(
    backups.map(({ to }) => to),
    moves,
  );
  const done: Move[] = [];
  try {
    for (const move of [...backups, ...moves.toReversed()]) {
      await place(move, backups.includes(move) ? move.from : move.to);
      done.push(move);
    }
  } catch (error) {
    await undo(done);
    await forget();
    throw error;
  }
  // From here on the new files are in place, whatever else fails. An old one that cannot be removed is left to a later start.
  const removed = await Promise.allSettled(backups.map(({ to }) => rm(to, { force: true })));
  if (removed.every(({ status }) => status === 'fulfilled')) await forget();
  for (const folder of new Set(files.map(({ destination }) => dirname(destination))))
    await syncFolder(folder).catch((cause: unknown) => Promise.reject(failure(folder, cause)));
}

async function place({ from, to }: Move, file: string): Promise<void> {
  try {
    await rename(from, to);
  } catch (cause) {
    throw failure(file, cause);
  }
}

function failure(file: string, cause: unknown): QuantscopeError {
  return new QuantscopeError('IO', `The file cannot be put in place: ${reason(cause)}`, { file }, cause);
}

/** Moves everything back, the last first. A file that cannot be moved stays; the original error is the one reported. */
async function undo(done: readonly Move[]): Promise<void> {
  for (const { from, to } of done.toReversed()) await rename(to, from).catch(() => undefined);
}
