import { readdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { linkTarget } from '../model/linkTarget';
import { statPlace } from '../model/place';
import { isInsideOf } from './insideFolders';

/** Names of folders beside weights that are read; modules of sentence-transformers have any name, which modules.json states. */
const readFolders = ['additional_chat_templates'];
const moduleList = 'modules.json';

/**
 * The first link among the files of a model that leads out of some folders, so that reading the model would read what lies elsewhere: a symbolic
 * link, or one that Git saved as a text, in the folder of the model or in one of its folders that is read. Other links to folders are not followed by
 * any reader, and those to nothing cannot be read.
 * @param path a model: its folder or one of its files, on this machine. @returns the path of the link; undefined where there is none.
 */
export async function linkLeadingOut(folders: readonly string[], path: string): Promise<string | undefined> {
  const { isFolder } = await statPlace(path);
  return findIn(isFolder ? path : dirname(path), true);

  async function findIn(folder: string, isTop: boolean): Promise<string | undefined> {
    const entries = await readdir(folder, { withFileTypes: true });
    const hasModules = entries.some(({ name }) => name === moduleList);
    for (const entry of entries) {
      const file = join(folder, entry.name);
      const found = await statPlace(file).catch(() => undefined);
      if (!found || (found.isFolder && !(isTop && (hasModules || readFolders.includes(entry.name)))))
        continue;
      if (entry.isSymbolicLink() && !(await isInsideOf(folders, file))) return file;
      const target = found.isFolder || found.special !== undefined ? undefined : await linkTarget(file);
      if (target !== undefined && !(await isInsideOf(folders, target))) return file;
      const inside = found.isFolder ? await findIn(file, false) : undefined;
      if (inside !== undefined) return inside;
    }
    return undefined;
  }
}
