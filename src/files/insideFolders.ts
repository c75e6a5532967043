import { lstat, realpath } from 'node:fs/promises';
import { dirname, isAbsolute, relative, resolve, sep } from 'node:path';
import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/** A path as a text names it among folders: a relative one starts at the first of them, or at the working folder where there is none. */
export const pathAmong = (folders: readonly string[], text: string): string =>
  folders[0] === undefined ? resolve(text) : resolve(folders[0], text);

/**
 * Whether a path lies in one of the folders, or is one of them. Links are followed before it is compared, so that neither links nor `..` lead out.
 * @throws QuantscopeError REQUEST for a link to nothing: writing to it would make a file wherever it leads.
 */
export async function isInsideOf(folders: readonly string[], path: string): Promise<boolean> {
  const real = await realPlace(path);
  for (const folder of folders) if (contains(await realPlace(folder), real)) return true;
  return false;
}

function contains(folder: string, path: string): boolean {
  const way = relative(folder, path);
  return way !== '..' && !way.startsWith(`..${sep}`) && !isAbsolute(way);
}

/** A path with all links followed; of what does not exist, its folder's. @throws QuantscopeError REQUEST for a link to nothing. */
export async function realPlace(path: string): Promise<string> {
  try {
    return await realpath(path);
  } catch (cause) {
    const isLink = await lstat(path).then(
      () => true,
      () => false,
    );
    if (isLink) throw new QuantscopeError('REQUEST', said`${path} is a link that leads nowhere.`, {}, cause);
    const folder = dirname(path);
    return folder === path ? path : resolve(await realPlace(folder), relative(folder, path));
  }
}
