import { stringifyExact } from './exactJson';

/**
 * A long list of similar objects as columns: the name of a field crosses a boundary once, and so does a value that many objects share.
 * Twenty thousand tensors take a third of their JSON, and VS Code copies a message several times on its way to a page.
 */
export interface Columns<T extends object> {
  readonly count: number;
  readonly fields: { readonly [K in keyof T]?: Column<T[K]> };
}

/** The values of a field, one for each object; or the distinct ones and the index of each object's, −1 where it lacks the field. */
type Column<V> =
  { readonly values: readonly V[] } | { readonly distinct: readonly V[]; readonly of: readonly number[] };

/** @param items plain data, as in messages. Equal objects in a field may come back as one. */
export function toColumns<T extends object>(items: readonly T[]): Columns<T> {
  const names = new Set<keyof T & string>();
  for (const item of items) for (const name of Object.keys(item)) names.add(name as keyof T & string);
  const fields = [...names].map((name) => [name, columnOf(items.map((item) => item[name]))]);
  return { count: items.length, fields: Object.fromEntries(fields) as Columns<T>['fields'] };
}

export function fromColumns<T extends object>({ count, fields }: Columns<T>): T[] {
  const items = Array.from({ length: count }, (): Partial<T> => ({}));
  for (const name of Object.keys(fields) as (keyof T)[]) {
    const column = fields[name]!;
    if ('values' in column) column.values.forEach((value, i) => (items[i]![name] = value));
    else
      column.of.forEach((at, i) => {
        if (at >= 0) items[i]![name] = column.distinct[at]!;
      });
  }
  return items as T[];
}

function columnOf<V>(values: readonly (V | undefined)[]): Column<V> {
  const places = new Map<unknown, number>();
  const distinct: V[] = [];
  const of = values.map((value) => {
    if (value === undefined) return -1;
    const key = keyOf(value);
    const known = places.get(key);
    if (known !== undefined) return known;
    places.set(key, distinct.length);
    return distinct.push(value) - 1;
  });
  const isComplete = !of.includes(-1);
  return isComplete && distinct.length > values.length / 2 ? { values: values as V[] } : { distinct, of };
}

/** Equal for equal values; a map takes 0 and −0 for one. The quote keeps strings apart from the JSON of other values. */
function keyOf(value: unknown): unknown {
  if (typeof value === 'string') return `"${value}`;
  if (typeof value === 'number') return Object.is(value, -0) ? '-0' : value;
  return stringifyExact(value);
}
