import { tileAt, tileCells, type Tile } from '../map/tiles';
import type { TileValues } from '../map/tileStore';
import type { Extent } from '../map/view';
import { rowOf, type Slice } from './slice';

const single = { rows: 1, columns: 1 };
const startOf = (index: number): number => Math.floor(index / tileCells) * tileCells;

/** A part of a slice: rows and columns of it. */
export interface Sight {
  readonly firstRow: number;
  readonly rows: number;
  readonly firstColumn: number;
  readonly columns: number;
}

const rowsOf = ({ firstRow, rows }: Sight): number[] => Array.from({ length: rows }, (_, i) => firstRow + i);

/** The tiles of single weights that hold a part of a slice, each once. */
export function tilesInSight(slice: Slice, sight: Sight, extent: Extent): Tile[] {
  const tiles = new Map<string, Tile>();
  const first = slice.firstColumn + sight.firstColumn;
  for (const row of rowsOf(sight)) {
    const firstRow = startOf(rowOf(slice, row));
    for (let column = startOf(first); column < first + sight.columns; column += tileCells) {
      const tile = tileAt(firstRow, column, single, extent);
      tiles.set(tile.key, tile);
    }
  }
  return [...tiles.values()];
}

/** The weights of a part of a slice, row by row; undefined where they have not come. */
export function valuesInSight(
  slice: Slice,
  sight: Sight,
  extent: Extent,
  find: (tile: Tile) => TileValues | undefined,
): (number | undefined)[][] {
  return rowsOf(sight).map((row) => {
    const flat = rowOf(slice, row);
    return Array.from({ length: sight.columns }, (_, i) => {
      const column = slice.firstColumn + sight.firstColumn + i;
      const tile = tileAt(startOf(flat), startOf(column), single, extent);
      const found = find(tile);
      return found?.values[
        (flat - tile.region.firstRow) * found.mapColumns + column - tile.region.firstColumn
      ];
    });
  });
}
