import { statSync } from 'node:fs';
import { dirname } from 'node:path';
import { viewTypes } from './contributions';

/** The folder of a model that is named by a file, an index or the folder itself, whatever its name looks like. */
export function folderOf(path: string): string {
  return statSync(path, { throwIfNoEntry: false })?.isDirectory() ? path : dirname(path);
}

/** The editor that opens a model file. */
export function viewTypeOf(path: string): string {
  return /\.index(\.[^.]+)?\.json$/.test(path) ? viewTypes.index : viewTypes.model;
}
