import type { ModelDescription } from '../../protocol/model';

/** Title of an editor's tab: the model's name; with the name of the file where one is shown alone. */
export function editorTitle({ name, part }: Pick<ModelDescription, 'name' | 'part'>): string {
  return part?.alone ? `${name} (${part.number} of ${part.count})` : name;
}
