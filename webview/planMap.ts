import { placeOf } from '../src/protocol/places';

/** Tensors of one role, by layer. */
export interface MapRow {
  readonly role: string;
  /** For each layer of the map, places of its tensors of the role: one, its experts, or none. */
  readonly cells: readonly (readonly number[])[];
}

/** A plan's tensors by layer and role. */
export interface PlanMap {
  /** Numbers of the layers, ascending. */
  readonly layers: readonly number[];
  readonly rows: readonly MapRow[];
  /** Tensors outside of layers, each with its name. */
  readonly others: readonly { readonly role: string; readonly members: readonly number[] }[];
}

/** @param names in the order of the plan, which rows and others keep. */
export function planMap(names: readonly string[]): PlanMap {
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

/** A cell by its row and column; others come before the rows and have one column. */
export interface MapPlace {
  readonly row: number;
  readonly column: number;
}

/** Tensors of a cell; none outside of the map. */
export const membersAt = ({ rows, others }: PlanMap, { row, column }: MapPlace): readonly number[] =>
  (row < others.length ? (column === 0 ? others[row]?.members : undefined) : undefined) ??
  rows[row - others.length]?.cells[column] ??
  [];

/** Where a cell is, in words. */
export function whereWords({ others, rows, layers }: PlanMap, { row, column }: MapPlace): string {
  const other = others[row];
  return other ? other.role : `${rows[row - others.length]?.role}, layer ${layers[column]}`;
}

/** All places that cells can be at, row by row; those without tensors too. */
export function allPlaces({ others, rows, layers }: PlanMap): MapPlace[] {
  const outside = others.map((_, row) => ({ row, column: 0 }));
  const inside = rows.flatMap((_, row) => layers.map((__, column) => ({ row: others.length + row, column })));
  return [...outside, ...inside];
}

/** Where an arrow key leads; undefined for other keys. Cells without tensors are passed. */
export function nextPlace(map: PlanMap, from: MapPlace, key: string): MapPlace | undefined {
  const moves: Readonly<Record<string, readonly [down: number, right: number]>> = {
    ...{ ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] },
  };
  const move = moves[key];
  if (!move) return undefined;
  const [down, right] = move;
  const rows = map.others.length + map.rows.length;
  let { row, column } = from;
  for (;;) {
    row += down;
    column += right;
    if (row < 0 || row >= rows || column < 0 || column >= Math.max(1, map.layers.length)) return from;
    const place = { row, column: row < map.others.length ? 0 : column };
    if (row < map.others.length && right !== 0) return from;
    if (membersAt(map, place).length > 0) return place;
  }
}
