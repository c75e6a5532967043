import type { CellSize, OutlierMap } from '../../src/protocol/analysis';
import type { DataColumn } from '../../src/protocol/dataTable';
import { tilesOf, tileCells, type Tile } from './tiles';
import type { TileValues } from './tileStore';
import type { Extent, View } from './view';

/** The cells of a view, from what is there. */
export interface Picture {
  readonly cell: CellSize;
  /** Index of the first cell in each direction, and how many there are. */
  readonly firstRow: number;
  readonly firstColumn: number;
  readonly rows: number;
  readonly columns: number;
  /** `rows × columns`: weights with their signs where a cell is one weight, else max |w|. */
  readonly values: Float64Array;
  /** Whether every cell has its own value; others have that of a coarser cell around it. */
  readonly isSharp: boolean;
}

/** Coarser cells that are looked for where a tile has not come yet, in each direction. */
const coarser = [2, 4, 8] as const;

/**
 * The cells of a view: of its tiles where they are there, else of coarser tiles that were seen before, else of the map of the whole tensor.
 * @param cell weights per cell; undefined for those of the map of the whole tensor.
 */
export function compose(
  view: View,
  cell: CellSize | undefined,
  base: OutlierMap,
  find: (tile: Tile) => TileValues | undefined,
): Picture {
  const size = cell ?? { rows: base.cellRows, columns: base.cellColumns };
  const firstRow = Math.floor(view.row / size.rows);
  const firstColumn = Math.floor(view.column / size.columns);
  const rows = endOf(view.row + view.rows, size.rows, base.rows) - firstRow;
  const columns = endOf(view.column + view.columns, size.columns, base.columns) - firstColumn;
  const picture = {
    ...{ cell: size, firstRow, firstColumn, rows, columns },
    values: new Float64Array(rows * columns),
  };
  fillFromBase(picture, base);
  if (!cell) return { ...picture, isSharp: true };
  for (const factor of [...coarser].reverse())
    fillFromTiles(picture, view, { rows: factor * cell.rows, columns: factor * cell.columns }, base, find);
  return { ...picture, isSharp: fillFromTiles(picture, view, cell, base, find) };
}

const endOf = (end: number, cell: number, size: number): number =>
  Math.min(Math.ceil(end / cell), Math.ceil(size / cell));

type Unfilled = Omit<Picture, 'isSharp'>;

function fillFromBase(picture: Unfilled, base: OutlierMap): void {
  const { cell, firstRow, firstColumn, rows, columns, values } = picture;
  for (let row = 0; row < rows; row++) {
    const from = Math.floor(((firstRow + row) * cell.rows) / base.cellRows) * base.mapColumns;
    for (let column = 0; column < columns; column++) {
      const at = Math.floor(((firstColumn + column) * cell.columns) / base.cellColumns);
      values[row * columns + column] = base.values[from + at] ?? 0;
    }
  }
}

/** @returns whether all tiles of this size are there. */
function fillFromTiles(
  picture: Unfilled,
  view: View,
  size: CellSize,
  extent: Extent,
  find: (tile: Tile) => TileValues | undefined,
): boolean {
  let isComplete = true;
  for (const tile of tilesOf(view, size, extent)) {
    const found = find(tile);
    if (found) fillFromTile(picture, tile, found);
    else isComplete = false;
  }
  return isComplete;
}

function fillFromTile(picture: Unfilled, { cell: size, region }: Tile, tile: TileValues): void {
  const { cell, firstRow, firstColumn, rows, columns, values } = picture;
  const perTile = { rows: size.rows / cell.rows, columns: size.columns / cell.columns };
  const top = region.firstRow / cell.rows - firstRow;
  const left = region.firstColumn / cell.columns - firstColumn;
  const right = Math.min(columns, left + tileCells * perTile.columns);
  const bottom = Math.min(rows, top + tileCells * perTile.rows);
  for (let row = Math.max(0, top); row < bottom; row++) {
    const from = Math.floor((row - top) / perTile.rows) * tile.mapColumns;
    for (let column = Math.max(0, left); column < right; column++)
      values[row * columns + column] = tile.values[from + Math.floor((column - left) / perTile.columns)]!;
  }
}

/** The largest |w| of each row and each column of a picture; cells that are not finite are left out. */
export function marginsOf({ rows, columns, values }: Picture): { rows: Float64Array; columns: Float64Array } {
  const margins = { rows: new Float64Array(rows), columns: new Float64Array(columns) };
  for (let row = 0, at = 0; row < rows; row++)
    for (let column = 0; column < columns; column++, at++) {
      const magnitude = Math.abs(values[at]!);
      if (!(magnitude < Infinity)) continue;
      if (magnitude > margins.rows[row]!) margins.rows[row] = magnitude;
      if (magnitude > margins.columns[column]!) margins.columns[column] = magnitude;
    }
  return margins;
}

/** Cells above a threshold. */
export const cellsAbove = ({ values }: Picture, threshold: number): number =>
  values.reduce((count, value) => (Math.abs(value) > threshold ? count + 1 : count), 0);

/** The cells of a picture as columns: the first row and column of each, and its value. */
export function pictureData({ cell, firstRow, firstColumn, columns, values }: Picture): DataColumn[] {
  const isSingle = cell.rows === 1 && cell.columns === 1;
  const cells = [...values.keys()];
  const row = (index: number): number => (firstRow + Math.floor(index / columns)) * cell.rows;
  return [
    { name: 'row', values: cells.map(row) },
    { name: 'column', values: cells.map((index) => (firstColumn + (index % columns)) * cell.columns) },
    { name: isSingle ? 'weight' : 'max |w|', values: [...values] },
  ];
}
