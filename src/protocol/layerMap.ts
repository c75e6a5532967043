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

/**
 * Stacks of layers (of a vision part and of the language model) have rows of their own; where these share a role, its name has the stack's.
 * @param names in an order that rows and others keep.
 */
export function layerMap(names: readonly string[]): LayerMap {
  const byRole = new Map<
    string,
    { readonly role: string; readonly stack: string; readonly cells: Map<number, number[]> }
  >();
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
    const stack = wrapper.join('.');
    const own = role === '' ? [...wrapper, label].join('.') : role;
    const key = `${stack}\n${own}`;
    const row = byRole.get(key) ?? { role: own, stack, cells: new Map<number, number[]>() };
    byRole.set(key, row);
    const { cells } = row;
    const known = cells.get(layer);
    if (known) known.push(index);
    else cells.set(layer, [index]);
  }
  const times = new Map<string, number>();
  for (const { role } of byRole.values()) times.set(role, (times.get(role) ?? 0) + 1);
  const isShared = (role: string): boolean => times.get(role)! > 1;
  const sorted = [...layers].sort((a, b) => a - b);
  return {
    layers: sorted,
    rows: [...byRole.values()].map(({ role, stack, cells }) => ({
      role: isShared(role) ? `${stack}.${role}` : role,
      cells: sorted.map((layer) => cells.get(layer) ?? []),
    })),
    others: [...others].map(([name, members]) => ({ role: placeOf(name).label, members })),
  };
}
