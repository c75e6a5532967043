import { describe, expect, it } from 'vitest';
import type { OutlierMap } from '../../../../src/protocol/analysis';
import { cellsAbove, compose, marginsOf } from '../../../../webview/map/compose';
import { cellFor, tilesOf, type Tile } from '../../../../webview/map/tiles';
import type { TileValues } from '../../../../webview/map/tileStore';
import { wholeView, type View } from '../../../../webview/map/view';
import { pointWords, viewWords } from '../../../../webview/map/words';

const extent = { rows: 1000, columns: 600 };
const area = { width: 600, height: 300 };
/** The weight of a place: no two are equal, and signs alternate. */
const weight = (row: number, column: number): number =>
  ((row * extent.columns + column + 1) / 1e6) * ((row + column) % 2 === 0 ? 1 : -1);

function cells(
  first: readonly [number, number],
  count: readonly [number, number],
  cell: readonly [number, number],
) {
  const values: number[] = [];
  for (let row = first[0]; row < first[0] + count[0]; row += cell[0])
    for (let column = first[1]; column < first[1] + count[1]; column += cell[1]) {
      let largest = 0;
      for (let r = row; r < Math.min(row + cell[0], first[0] + count[0]); r++)
        for (let c = column; c < Math.min(column + cell[1], first[1] + count[1]); c++)
          largest = Math.max(largest, Math.abs(weight(r, c)));
      values.push(cell[0] * cell[1] === 1 ? weight(row, column) : largest);
    }
  return values;
}

const base: OutlierMap = {
  ...extent,
  ...{ cellRows: 8, cellColumns: 5, mapRows: 125, mapColumns: 120 },
  values: cells([0, 0], [1000, 600], [8, 5]),
  ...{ outlierRows: [], outlierColumns: [] },
  ...{ deadRows: { count: 0, ranges: [] }, deadColumns: { count: 0, ranges: [] } },
};

function read({ region, cell }: Tile): TileValues {
  return {
    mapRows: Math.ceil(region.rows / cell.rows),
    mapColumns: Math.ceil(region.columns / cell.columns),
    values: Float64Array.from(
      cells([region.firstRow, region.firstColumn], [region.rows, region.columns], [cell.rows, cell.columns]),
    ),
  };
}

describe('the level of detail of a map', () => {
  const size = { rows: 8, columns: 5 };
  it('is a power of two that leaves a cell two pixels', () => {
    expect(cellFor(wholeView(extent), area, size)).toEqual({ rows: 8, columns: 2 });
    expect(cellFor({ row: 0, rows: 100, column: 0, columns: 60 }, area, size)).toEqual({
      rows: 1,
      columns: 1,
    });
  });

  it('is that of the whole tensor where it is as fine, and where too much is in sight', () => {
    expect(cellFor(wholeView(extent), { width: 200, height: 200 }, size)).toBeUndefined();
    const vast = { rows: 128_256, columns: 4096 };
    expect(cellFor(wholeView(vast), area, { rows: 1002, columns: 32 })).toBeUndefined();
    const part = { row: 0, rows: 4096, column: 0, columns: 4096 };
    expect(cellFor(part, area, { rows: 1002, columns: 32 })).toEqual({ rows: 32, columns: 16 });
  });

  it('is single weights for a tensor whose map has a cell for each: with signs, and with what is not finite', () => {
    const one = { rows: 1, columns: 1 };
    expect(cellFor(wholeView({ rows: 100, columns: 128 }), { width: 60, height: 60 }, one)).toEqual(one);
  });

  it('takes tiles that cover the view, cut at the end of the tensor, the middle first', () => {
    const view: View = { row: 250, rows: 300, column: 400, columns: 200 };
    const tiles = tilesOf(view, { rows: 2, columns: 1 }, extent);
    const found = tiles.map(({ region: r }) => `${r.firstRow},${r.firstColumn} ${r.rows}×${r.columns}`);
    expect([...found].sort()).toEqual([
      ...['0,384 256×128', '0,512 256×88', '256,384 256×128'],
      ...['256,512 256×88', '512,384 256×128', '512,512 256×88'],
    ]);
    expect(tiles[0]!.region.firstRow).toBe(256); // holds the middle
    expect(new Set(tiles.map(({ key }) => key)).size).toBe(6);
  });
});

describe('the picture of a view', () => {
  const view: View = { row: 100.5, rows: 60, column: 200, columns: 80 };
  const single = { rows: 1, columns: 1 };

  it('shows single weights of its tiles with their signs', () => {
    const picture = compose(view, single, base, read);
    expect(picture).toMatchObject({ firstRow: 100, firstColumn: 200, rows: 61, columns: 80, isSharp: true });
    expect([...picture.values]).toEqual(cells([100, 200], [61, 80], [1, 1]));
  });

  it('shows the map of the whole tensor until tiles have come', () => {
    const picture = compose(view, single, base, () => undefined);
    expect(picture.isSharp).toBe(false);
    expect(picture.values[0]).toBe(base.values[12 * 120 + 40]); // row 100, column 200
    expect(picture.values.at(-1)).toBe(base.values[20 * 120 + 55]); // row 160, column 279
  });

  it('shows coarser tiles that were seen before where its own have not come', () => {
    const seen = (tile: Tile): TileValues | undefined => (tile.cell.rows === 4 ? read(tile) : undefined);
    const picture = compose(view, { rows: 2, columns: 2 }, base, seen);
    expect(picture.isSharp).toBe(false);
    const [expected] = cells([100, 200], [4, 4], [4, 4]);
    expect(picture.values[0]).toBe(expected);
  });

  it('ends with the tensor', () => {
    const end: View = { row: 990, rows: 10, column: 595, columns: 5 };
    const picture = compose(end, { rows: 4, columns: 4 }, base, read);
    expect([picture.firstRow, picture.rows, picture.firstColumn, picture.columns]).toEqual([247, 3, 148, 2]);
    expect(picture.values.at(-1)).toBe(Math.abs(weight(999, 599)));
  });

  it('has margins with the largest magnitudes, without what is not finite', () => {
    const values = Float64Array.of(1, -5, NaN, 2, Infinity, -3);
    const picture = { cell: single, firstRow: 0, firstColumn: 0, rows: 2, columns: 3, values, isSharp: true };
    expect(marginsOf(picture)).toEqual({ rows: Float64Array.of(5, 3), columns: Float64Array.of(2, 5, 3) });
    expect(cellsAbove(picture, 2.5)).toBe(3);
  });

  it('is told in words', () => {
    const picture = compose(view, single, base, read);
    const words = pointWords(picture, view, { x: 0, y: 0 }, extent, 0.01);
    expect(words).toBe(`row 100, column 200: 0.06020, 6.0 σ`);
    const odd = pointWords(picture, view, { x: 0.02, y: 0 }, extent, 0);
    expect(odd).toBe('row 100, column 201: −0.06020');
    expect(viewWords(view, picture, extent)).toBe('Rows 100–160, columns 200–279: one weight per cell.');
    const coarse = compose(wholeView(extent), undefined, base, () => undefined);
    expect(pointWords(coarse, wholeView(extent), { x: 1, y: 1 }, extent, 0.1)).toBe(
      'rows 992–999, columns 595–599: max |w| 0.6000, 6.0 σ',
    );
    expect(viewWords(wholeView(extent), coarse, extent)).toBe(
      'Rows 0–999, columns 0–599: the largest |w| of 8 × 5 weights per cell.',
    );
  });
});
