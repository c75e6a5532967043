import { basename, dirname } from 'node:path';
import { nameFromPath } from '../../model/modelName';
import type { ModelDescription } from '../../protocol/model';

/**
 * Title of an editor's tab: the name of the model by its files, as in the view of models, because files made from one model state the
 * same name; with the number of the file where one is shown alone.
 */
export function editorTitle({ path, part }: Pick<ModelDescription, 'path' | 'part'>): string {
  const name = nameFromPath(dirname(path), basename(path));
  return part?.alone ? `${name} (${part.number} of ${part.count})` : name;
}
