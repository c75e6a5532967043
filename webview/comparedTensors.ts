import * as l10n from '@vscode/l10n';
import type { ComparedTensor, CompareStatus } from '../src/protocol/compare';
import type { Filtered } from './filter';

/** The compared tensors of two models as a table shows them. */

/** How a tensor compares, in words. */
export const statusWords: Readonly<Record<CompareStatus, string>> = {
  equal: l10n.t('equal'),
  different: l10n.t('different'),
  shape: l10n.t('other shape'),
  'not finite': l10n.t('not finite'),
  'only in A': l10n.t('only in A'),
  'only in B': l10n.t('only in B'),
  unreadable: l10n.t('unreadable'),
};

/** What a filter looks at: the name, the dtypes and how the tensor compares, as it is shown and as it is saved. */
export const lineOf = ({ name, status, a, b }: ComparedTensor): Filtered => ({
  name,
  texts: [status, statusWords[status], a?.dtype ?? '', b?.dtype ?? ''],
});

const keys: Readonly<Record<string, (tensor: ComparedTensor) => number | string>> = {
  a: ({ a }) => a?.dtype ?? '',
  b: ({ b }) => b?.dtype ?? '',
  // Tensors that cannot be compared rank worse than any error.
  error: ({ error }) => error?.relativeError ?? Infinity,
  sqnr: ({ error }) => error?.sqnr ?? -Infinity,
  cosine: ({ error }) => error?.cosine ?? -Infinity,
  max: ({ error }) => error?.maxError ?? Infinity,
};

/** By a column; ties keep their order. Undefined errors rank worst. */
export function orderCompared(
  tensors: readonly ComparedTensor[],
  { column, descending }: { readonly column: string; readonly descending: boolean },
): ComparedTensor[] {
  const key = keys[column];
  if (!key) return [...tensors];
  const valued = tensors.map((tensor) => {
    const value = key(tensor);
    return { tensor, value: Number.isNaN(value) ? Infinity : value };
  });
  const sign = descending ? -1 : 1;
  valued.sort((a, b) => (a.value === b.value ? 0 : sign * (a.value < b.value ? -1 : 1)));
  return valued.map(({ tensor }) => tensor);
}
