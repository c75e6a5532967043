import type { ComparedTensor } from '../src/protocol/compare';
import type { Filtered } from './filter';

/** The compared tensors of two models as a table shows them. */

/** What a filter looks at: the name, the dtypes and how the tensor compares. */
export const lineOf = ({ name, status, a, b }: ComparedTensor): Filtered => ({
  name,
  texts: [status, a?.dtype ?? '', b?.dtype ?? ''],
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
