import { placeOf } from './places';

/** Tensors of one role, by layer. */
export interface MapRow {
  readonly role: string;
  /** For each layer of the map, places of its tensors of the role: one, its experts, or none. */
  readonly cells: readonly (readonly number[])[];
}

/** Tensors by layer and role. */
export interface LayerMap {
  /** Numbers of the layers, ascending. */
  readonly layers: readonly number[];
  readonly rows: readonly MapRow[];
  /** Tensors outside of layers, each with its name. */
  readonly others: readonly { readonly role: string; readonly members: readonly number[] }[];
}

/** @param names in an order that rows and others keep. */
export function layerMap(names: readonly string[]): LayerMap {
  const byRole = new Map<string, Map<number, number[]>>();
  const others = new Map<string, number[]>();
  const layers = new Set<number>();
  for (const [index, name] of names.entries()) {
    const { numbers, role, wrapper, label } = placeOf(name);
    if (numbers.length === 0) {
      others.set(name, [...(others.get(name) ?? []), index]);
      continue;
    }
    const layer = Number(numbers[0]);
    layers.add(layer);
    const key = role === '' ? [...wrapper, label].join('.') : role;
    const cells = byRole.get(key) ?? new Map<number, number[]>();
    byRole.set(key, cells);
    const known = cells.get(layer);
    if (known) known.push(index);
    else cells.set(layer, [index]);
  }
  const sorted = [...layers].sort((a, b) => a - b);
  return {
    layers: sorted,
    rows: [...byRole].map(([role, cells]) => ({
      role,
      cells: sorted.map((layer) => cells.get(layer) ?? []),
    })),
    others: [...others].map(([name, members]) => ({ role: placeOf(name).label, members })),
  };
}
