import * as l10n from '@vscode/l10n';
import { nameText } from './format';
import type { LayerMap } from '../src/protocol/layerMap';

/** A cell by its row and column; others come before the rows and have one column. */
export interface MapPlace {
  readonly row: number;
  readonly column: number;
}

/** Tensors of a cell; none outside of the map. */
export const membersAt = ({ rows, others }: LayerMap, { row, column }: MapPlace): readonly number[] =>
  (row < others.length ? (column === 0 ? others[row]?.members : undefined) : undefined) ??
  rows[row - others.length]?.cells[column] ??
  [];

/** Where a cell is, in words. */
export function whereWords({ others, rows, layers }: LayerMap, { row, column }: MapPlace): string {
  const other = others[row];
  return other
    ? nameText(other.role)
    : l10n.t('{0}, layer {1}', nameText(rows[row - others.length]?.role ?? ''), layers[column]!);
}

/** All places that cells can be at, row by row; those without tensors too. */
export function allPlaces({ others, rows, layers }: LayerMap): MapPlace[] {
  const outside = others.map((_, row) => ({ row, column: 0 }));
  const inside = rows.flatMap((_, row) => layers.map((__, column) => ({ row: others.length + row, column })));
  return [...outside, ...inside];
}

/** Where an arrow key leads; undefined for other keys. Cells without tensors are passed. */
export function nextPlace(map: LayerMap, from: MapPlace, key: string): MapPlace | undefined {
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
