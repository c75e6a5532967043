import { existsSync, statSync } from 'node:fs';
import { basename, dirname } from 'node:path';
import type { ModelRef } from '../protocol/model';
import type { RecipeSelection } from '../protocol/quantizeModel';
import { viewTypes } from './contributions';

/** The folder of a model that is named by a file, an index or the folder itself, whatever its name looks like. */
export function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}

/** The editor that opens a model file. */
export function viewTypeOf(path: string): string {
  return /\.index(\.[^.]+)?\.json$/.test(path) ? viewTypes.index : viewTypes.model;
}

/** Distinguishes a model, and one of its files that is shown alone, from all others. */
export const sessionKey = ({ path, alone = false }: ModelRef): string => (alone ? `${path} (alone)` : path);

/** Longest name that is suggested, without its extension: file systems allow 255 bytes. */
const maxName = 120;

/** A name for a new file from a model's or a tensor's, which may hold what no file name can: separators, control characters. */
export function fileNameOf(name: string): string {
  const safe = name.replace(/[\u0000-\u001f\u007f<>:"/\\|?*]+/g, '-').replace(/^\.+/, '');
  return safe.slice(0, maxName) || 'unnamed';
}

/** A folder that does not exist yet: the path, or the path with the first free number. A dialog would enter an existing one. */
export function freeFolder(path: string): string {
  let free = path;
  for (let number = 2; existsSync(free); number++) free = `${path}-${String(number)}`;
  return free;
}

/** What titles call a recipe: the id of a preset, or the name of its file. */
export const recipeName = ({ recipe, recipeFile, inline }: RecipeSelection): string =>
  recipe ?? inline?.id ?? basename(recipeFile ?? 'recipe');
