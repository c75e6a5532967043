import { lstat } from 'node:fs/promises';
import { z } from 'zod';
import { QuantscopeError } from '../model/errors';

/** Where a tool writes. @param what "a .gguf file". */
export const targetFields = (what: string) => ({
  out: z.string().min(1).describe(`Path of ${what} to write`),
  overwrite: z.boolean().default(false).describe('Whether a file of this name may be replaced'),
});

const isTaken = (path: string): Promise<boolean> =>
  lstat(path).then(
    () => true,
    () => false,
  );

/** @throws QuantscopeError REQUEST where there is something and it may not be replaced. */
export async function requireFree(path: string, overwrite: boolean): Promise<string> {
  if (!overwrite && (await isTaken(path)))
    throw new QuantscopeError('REQUEST', `${path} exists: "overwrite" permits to replace it.`);
  return path;
}

/** What the user has to know of a file that is there. */
export const replacementNote = async (path: string): Promise<string> =>
  (await isTaken(path)) ? ' This replaces the file that is there.' : '';
