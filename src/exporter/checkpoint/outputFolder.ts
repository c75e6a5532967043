import { lstat, readdir, realpath } from 'node:fs/promises';
import { join, relative, resolve, sep } from 'node:path';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { readJsonFile } from '../../model/jsonFiles';
import type { ModelDescription } from '../../protocol/model';

/** Marks a folder as written by this program, and says how. */
export const recordName = 'quantscope.json';

/**
 * The folder that an output goes to: links are followed. It must be absent, empty, or an earlier output that nothing was added to, and must
 * not hold a file of the model.
 * @returns its absolute path.
 * @throws QuantscopeError REQUEST naming the folder.
 */
export async function outputFolder(
  out: string,
  { folder, files }: Pick<ModelDescription, 'folder' | 'files'>,
  overwrite = false,
): Promise<string> {
  const path = resolve(out);
  const refuse = (message: string): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: path });
  const found = await lstat(path).catch(() => undefined);
  if (!found) return path;
  const real = await realpath(path).catch(() => undefined);
  if (real === undefined) throw refuse('The output is a symbolic link that leads nowhere.');
  if (!(await lstat(real)).isDirectory()) throw refuse('The output exists and is not a folder.');
  for (const input of [folder, ...files.map((file) => file.path)]) {
    if (isInside(await realpath(input).catch(() => input), real))
      throw refuse('The output folder holds the model that is read; choose another folder.');
  }
  const names = await readdir(real);
  if (names.length === 0) return real;
  const written = await filesOfRecord(join(real, recordName));
  if (!written)
    throw refuse(
      'The folder exists and is not an earlier output of Quantscope, so that it is not replaced; choose another name.',
    );
  const added = names.find((name) => name !== recordName && !written.has(name));
  if (added !== undefined)
    throw refuse(
      `The folder has "${added}", which Quantscope did not write, so that it is not replaced; choose another name.`,
    );
  if (!overwrite)
    throw refuse('The folder holds an earlier output. Allow overwriting (--overwrite) to replace it.');
  return real;
}

function isInside(path: string, folder: string): boolean {
  const way = relative(folder, path);
  return way === '' || (way !== '..' && !way.startsWith(`..${sep}`) && resolve(folder, way) === path);
}

/** First parts of the paths of the files that a record lists; undefined where there is no record. */
async function filesOfRecord(path: string): Promise<ReadonlySet<string> | undefined> {
  try {
    const { value } = await readJsonFile(path);
    if (!isRecord(value) || value['writtenBy'] !== 'quantscope' || !Array.isArray(value['files']))
      return undefined;
    return new Set(
      value['files'].filter((name) => typeof name === 'string').map((name) => name.split('/')[0]!),
    );
  } catch (error) {
    if (error instanceof QuantscopeError) return undefined; // absent, or another file of this name
    throw error;
  }
}
