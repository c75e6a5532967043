import * as l10n from '@vscode/l10n';
import type { Danger, ModelDescription } from './model';
import { plural } from './words';

/** What is said about a model whose files would have Python run code, above the list of it. */
export function dangerTitle({ dangers = [] }: Pick<ModelDescription, 'dangers'>): string | undefined {
  if (dangers.length === 0) return undefined;
  const files = new Set(dangers.map(({ file }) => file)).size;
  const which = files === 1 ? l10n.t('This file asks') : l10n.t('{0} files of this model ask', files);
  const what = plural(dangers.length, 'class or function', 'classes or functions');
  return l10n.t(
    '{0} Python for {1} besides tensors. Loading it in Python could run any code. Nothing of it was run here; tensors that depend on it are not shown. A conversion to safetensors keeps the tensors and none of the code.',
    which,
    what,
  );
}

/** One danger as a line: what would be called, and where the pickle names it. */
export function dangerLine({ file, name, offset, calls }: Danger): string {
  const base = file.replace(/^.*[\\/]/, '');
  return l10n.t('{0} ({1}, byte {2})', calls.length > 0 ? calls.join(', ') : name, base, offset);
}
