import { readlink, realpath } from 'node:fs/promises';
import { dirname, resolve } from 'node:path';
import { QuantscopeError } from '../model/errors';
import type { ModelDescription } from '../protocol/model';
import { said } from '../protocol/said';
import { ensureFolderAbove, fileIdentity, followLinks, refuseAddress, statIfPresent } from './target';

/** A folder that results are written to. */
export interface FolderTarget {
  /** Absolute path as given; messages name it. */
  readonly path: string;
  /** Absolute path of the folder itself, links followed. */
  readonly destination: string;
  readonly exists: boolean;
}

/** Where a model lies. */
type Place = Pick<ModelDescription, 'folder' | 'files'>;

/**
 * Where a folder of results goes. A checkpoint is its folder: no results go into it, where they would be uploaded, copied and read with it.
 * @throws QuantscopeError REQUEST naming the folder when it is something else, is or lies in that of a checkpoint, or cannot be made.
 */
export async function findFolderTarget(out: string, model: Place): Promise<FolderTarget> {
  refuseAddress(out);
  const path = resolve(out);
  const refuse = (message: string): QuantscopeError =>
    new QuantscopeError('REQUEST', message, { file: path });
  const destination = await followLinks(path);
  await ensureFolderAbove(path, destination);
  const found = await statIfPresent(destination);
  if (found && !found.isDirectory()) throw refuse(said`The output exists and is not a folder.`);
  if (!found && (await isLink(path))) throw refuse(said`The output is a symbolic link that leads nowhere.`);
  if (isCheckpoint(model) && (await isWithin(destination, model.folder)))
    throw refuse(
      said`The output folder is that of the model (${model.folder}), or lies in it; choose another folder.`,
    );
  return { path, destination, exists: found !== undefined };
}

/** Whether a folder is that of a model, or one that the model or a file of it lies in, under whatever name. */
export async function holdsModel(folder: string, { folder: own, files }: Place): Promise<boolean> {
  for (const path of new Set([own, ...files.map((file) => file.path)]))
    if (await isWithin(await realpath(path).catch(() => path), folder)) return true;
  return false;
}

/** Whether the folder describes the model: a file in a folder of downloads has nothing to do with the others. */
const isCheckpoint = ({ folder, files }: Place): boolean =>
  files.some(({ path }) => path.endsWith('.json') && dirname(path) === folder);

const isLink = (path: string): Promise<boolean> =>
  readlink(path).then(
    () => true,
    () => false,
  );

/** Whether a path is a folder or lies in it, by what the file system says: links, case and Unicode forms do not matter. */
async function isWithin(path: string, folder: string): Promise<boolean> {
  const wanted = await fileIdentity(folder);
  if (wanted === undefined) return false;
  for (let at = path; ; at = dirname(at)) {
    if ((await fileIdentity(at)) === wanted) return true;
    if (dirname(at) === at) return false;
  }
}
