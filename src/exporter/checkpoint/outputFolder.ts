import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { findFolderTarget, holdsModel } from '../../files/folderTarget';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { readJsonFile } from '../../model/jsonFiles';
import type { ModelDescription } from '../../protocol/model';
import { said } from '../../protocol/said';

/** Marks a folder as written by this program, and says how. */
export const recordName = 'quantscope.json';

/**
 * The folder that an output goes to: links are followed. It must be absent, empty, or an earlier output that nothing was added to; it must
 * neither hold a file of the model nor lie in the model's own folder.
 * @returns its absolute path.
 * @throws QuantscopeError REQUEST naming the folder.
 */
export async function outputFolder(
  out: string,
  model: Pick<ModelDescription, 'folder' | 'files'>,
  overwrite = false,
): Promise<string> {
  const { path, destination, exists } = await findFolderTarget(out, model);
  if (!exists) return path;
  const refuse = (message: string): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: path });
  if (await holdsModel(destination, model))
    throw refuse(said`The output folder holds the model that is read; choose another folder.`);
  const names = await readdir(destination);
  if (names.length === 0) return destination;
  const written = await filesOfRecord(join(destination, recordName));
  if (!written)
    throw refuse(
      said`The folder exists and is not an earlier output of Quantscope, so that it is not replaced; choose another name.`,
    );
  const added = names.find((name) => name !== recordName && !written.has(name));
  if (added !== undefined)
    throw refuse(
      said`The folder has "${added}", which Quantscope did not write, so that it is not replaced; choose another name.`,
    );
  if (!overwrite)
    throw refuse(said`The folder holds an earlier output. Allow overwriting (--overwrite) to replace it.`);
  return destination;
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
