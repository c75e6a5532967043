import type { ModelDescription } from '../../protocol/model';

/** Title of an editor's tab: the model's name; where one file of it is shown alone, which. */
export function editorTitle({ name, part }: Pick<ModelDescription, 'name' | 'part'>): string {
  return part?.alone ? `${name} (${part.number} of ${part.count})` : name;
}
