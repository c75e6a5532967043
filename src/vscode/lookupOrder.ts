import { relative, sep } from 'node:path';
import type { LocatedModel } from '../protocol/model';

/** Models in which a name is looked up: those that are farther from a document are hardly meant. */
const maxModels = 16;

/**
 * The models in the order in which a name is looked up: those of the document's folder, the one in use, other open ones, the rest of the workspace from
 * the nearest one on; each once.
 * @param open paths of open models, the one in use first.
 * @param models of the workspace.
 */
export function lookupOrder(
  open: readonly string[],
  models: readonly Pick<LocatedModel, 'file' | 'folder'>[],
  documentFolder: string,
): string[] {
  const near = [...models]
    .map(({ file, folder }) => ({ file, steps: stepsBetween(documentFolder, folder) }))
    .sort((a, b) => a.steps - b.steps);
  const own = near.filter(({ steps }) => steps === 0);
  const ordered = [...own.map(({ file }) => file), ...open, ...near.map(({ file }) => file)];
  return [...new Set(ordered)].slice(0, maxModels);
}

/** Folders to go up and down from one to another. */
const stepsBetween = (from: string, to: string): number =>
  relative(from, to)
    .split(sep)
    .filter((step) => step !== '').length;
