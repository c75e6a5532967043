import type { SensitivityTable } from './plan';

/** The function, computing once for each table: tables are not changed, and a slider solves by the same one at every step. */
export function perTable<T>(compute: (table: SensitivityTable) => T): (table: SensitivityTable) => T {
  const known = new WeakMap<SensitivityTable, { readonly value: T }>();
  return (table) => {
    const found = known.get(table) ?? { value: compute(table) };
    known.set(table, found);
    return found.value;
  };
}
