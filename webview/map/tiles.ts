import type { CellSize, TensorRegion } from '../../src/protocol/analysis';
import type { Area, Extent, View } from './view';

/** Cells of a tile in each direction. */
export const tileCells = 128;
/** A cell is at least so wide and high, CSS pixels. */
const leastCell = 2;
/** Weights in sight up to which tiles are asked for: reading more takes longer than a look, and from a server far longer. */
export const mostWeights = { local: 1 << 25, remote: 1 << 21 } as const;

/** A square of cells of one size: cells are powers of two, so that the same tiles serve neighbouring views. */
export interface Tile {
  readonly key: string;
  readonly cell: CellSize;
  readonly region: TensorRegion;
}

/**
 * Weights per cell for a view: as few as leave a cell two pixels.
 * @param most weights in sight.
 * @param base those of the map that is there already; undefined where that is fine enough, or finer cells would take too long to read.
 */
export function cellFor(
  view: View,
  area: Area,
  base: CellSize,
  most: number = mostWeights.local,
): CellSize | undefined {
  const cell = {
    rows: powerFor((leastCell * view.rows) / area.height),
    columns: powerFor((leastCell * view.columns) / area.width),
  };
  // What is there has no signs, and nothing of weights that are not finite.
  if (base.rows === 1 && base.columns === 1) return base;
  if (cell.rows >= base.rows && cell.columns >= base.columns) return undefined;
  return view.rows * view.columns > most ? undefined : cell;
}

const powerFor = (least: number): number => 2 ** Math.max(0, Math.ceil(Math.log2(least)));

/** The tiles that a view touches, those in its middle first. */
export function tilesOf(view: View, cell: CellSize, extent: Extent): Tile[] {
  const height = tileCells * cell.rows;
  const width = tileCells * cell.columns;
  const tiles: { tile: Tile; distance: number }[] = [];
  const [middleRow, middleColumn] = [view.row + view.rows / 2, view.column + view.columns / 2];
  for (let row = Math.floor(view.row / height) * height; row < view.row + view.rows; row += height) {
    if (row >= extent.rows) break;
    for (let column = Math.floor(view.column / width) * width; column < view.column + view.columns;) {
      if (column >= extent.columns) break;
      const distance = Math.hypot(
        (row + height / 2 - middleRow) / view.rows,
        (column + width / 2 - middleColumn) / view.columns,
      );
      tiles.push({ tile: tileAt(row, column, cell, extent), distance });
      column += width;
    }
  }
  return tiles.sort((a, b) => a.distance - b.distance).map(({ tile }) => tile);
}

/** The tile whose first weight this is. */
export function tileAt(firstRow: number, firstColumn: number, cell: CellSize, extent: Extent): Tile {
  return {
    key: `${cell.rows}×${cell.columns} ${firstRow},${firstColumn}`,
    cell,
    region: {
      ...{ firstRow, rows: Math.min(tileCells * cell.rows, extent.rows - firstRow) },
      ...{ firstColumn, columns: Math.min(tileCells * cell.columns, extent.columns - firstColumn) },
    },
  };
}
