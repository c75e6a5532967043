import { describe, expect, it } from 'vitest';
import { tilesInSight, valuesInSight } from '../../../webview/values/cells';
import { valueFormat } from '../../../webview/values/format';
import { leadingOf, parseSlice, rowOf, runsOf, type Slice } from '../../../webview/values/slice';
import { csvOf, numpyOf, shortest } from '../../../webview/values/text';
import { extentOf, windowOf } from '../../../webview/values/window';

function slice(text: string, shape: readonly number[]): Slice {
  const parsed = parseSlice(text, shape);
  if (typeof parsed === 'string') throw new Error(parsed);
  return parsed;
}

describe('a slice as NumPy writes it', () => {
  it.each([
    ['', [4, 8], 'rows 0+4 columns 0+8'],
    ['0:2, 3:5', [4, 8], 'rows 0+2 columns 3+2'],
    ['[1:, :2]', [4, 8], 'rows 1+3 columns 0+2'],
    [' -1 , -3: ', [4, 8], 'rows 3+1 columns 5+3'],
    ['2', [4, 8], 'rows 2+1 columns 0+8'],
    ['0:1_000, ::1', [4, 8], 'rows 0+4 columns 0+8'],
    ['5:', [8], 'rows 0+1 columns 5+3'],
    ['', [], 'rows 0+1 columns 0+1'],
  ])('%j of %j', (text, shape, expected) => {
    const found = slice(text, shape);
    expect(`rows ${rowOf(found, 0)}+${found.rows} columns ${found.firstColumn}+${found.columns}`).toBe(
      expected,
    );
  });

  it.each([
    ['4', [4, 8], 'Dimension 0: there is no index 4; there are 4.'],
    [':, 8:', [4, 8], 'Dimension 1: “8:” holds nothing of 8.'],
    ['::2', [8], 'Steps other than 1 are not shown; “::2” has one.'],
    ['a', [8], '“a” is neither an index nor a range such as 0:64.'],
    ['1, ,', [4, 8, 2], 'Dimension 1: “” is neither an index nor a range such as 0:64.'],
    ['_', [8], '“_” is neither an index nor a range such as 0:64.'],
    ['1,2,3', [4, 8], 'The tensor has 2 dimensions; 3 are given.'],
    ['', [0, 8], 'Dimension 0: “:” holds nothing of 0.'],
  ])('%j of %j is refused', (text, shape, sentence) => expect(parseSlice(text, shape)).toBe(sentence));

  it('names its rows by the leading dimensions, in the order of the tensor', () => {
    const found = slice('1:3, 0:2, 4:', [4, 3, 8]);
    expect([0, 1, 2, 3].map((row) => leadingOf(found, row))).toEqual([
      ...[
        [1, 0],
        [1, 1],
      ],
      ...[
        [2, 0],
        [2, 1],
      ],
    ]);
    expect([0, 1, 2, 3].map((row) => rowOf(found, row))).toEqual([3, 4, 6, 7]);
    expect(runsOf(found)).toEqual([
      { row: 0, firstRow: 3, rows: 2 },
      { row: 2, firstRow: 6, rows: 2 },
    ]);
  });
});

describe('values in sight', () => {
  const extent = { rows: 300, columns: 400 };
  const found = slice('120:140, 126:', [300, 400]);
  const sight = { firstRow: 6, rows: 4, firstColumn: 0, columns: 3 };

  it('are those of tiles, each of which is asked for once', () => {
    expect(
      tilesInSight(found, sight, extent).map(({ region }) => [region.firstRow, region.firstColumn]),
    ).toEqual([
      ...[
        [0, 0],
        [0, 128],
      ],
      ...[
        [128, 0],
        [128, 128],
      ],
    ]);
    const values = valuesInSight(found, sight, extent, ({ region }) => {
      if (region.firstRow === 128) return undefined;
      const { firstRow, firstColumn, rows, columns } = region;
      const at = (i: number): number =>
        (firstRow + Math.floor(i / columns)) * 1000 + firstColumn + (i % columns);
      return {
        mapRows: rows,
        mapColumns: columns,
        values: Float64Array.from({ length: rows * columns }, (_, i) => at(i)),
      };
    });
    expect(values).toEqual([
      [126_126, 126_127, 126_128],
      [127_126, 127_127, 127_128],
      [undefined, undefined, undefined],
      [undefined, undefined, undefined],
    ]);
  });

  it('have the same decimals wherever they are', () => {
    const format = valueFormat('BF16', 0.75);
    expect([0.5, -0.03125, 0, NaN].map(format)).toEqual(['0.50000', '−0.03125', '0', 'NaN']);
    expect([3, -128].map(valueFormat('I8', 128))).toEqual(['3', '−128']);
  });
});

describe('lines of a table of any length', () => {
  it('follow the scroll bar one by one where they are few', () => {
    const lines = { count: 100, size: 20, sight: 200 };
    expect(extentOf(lines)).toBe(2000);
    expect(windowOf(0, lines)).toEqual({ first: 0, count: 11 });
    expect(windowOf(405, lines)).toEqual({ first: 20, count: 11 });
    expect(windowOf(1800, lines)).toEqual({ first: 90, count: 10 });
  });

  it('reach the last one where the bar is shorter than all of them', () => {
    const lines = { count: 100_000_000, size: 20, sight: 200 };
    expect(extentOf(lines)).toBe(8_000_000);
    expect(windowOf(8_000_000 - 200, lines)).toEqual({ first: 99_999_990, count: 10 });
    expect(windowOf(4_000_000 - 100, lines).first).toBe(49_999_995);
  });

  it('are all shown where there is room', () =>
    expect(windowOf(0, { count: 3, size: 20, sight: 200 })).toEqual({ first: 0, count: 3 }));
});

describe('values as text', () => {
  const values = [Math.fround(0.1), -2, NaN, Math.fround(1 / 3), Infinity, -0];
  const found = slice('1, 0:2, 4:7', [4, 3, 8]);

  it('have the fewest digits that give them back', () => {
    expect(shortest(Math.fround(0.1))).toBe('0.1');
    expect(shortest(Math.fround(1 / 3))).toBe('0.33333334');
    expect(shortest(1 / 3)).toBe('0.3333333333333333');
    for (let i = 1; i < 200; i++) {
      const value = Math.fround(Math.sin(i) * 10 ** ((i % 60) - 30));
      expect(Math.fround(Number(shortest(value)))).toBe(value);
    }
  });

  it('are CSV with the indices of rows and columns', () => {
    expect(csvOf({ slice: found, values, dtype: 'BF16' })).toBe(
      'dimension 0,dimension 1,4,5,6\n1,0,0.1,-2,NaN\n1,1,0.33333334,Infinity,0\n',
    );
    expect(csvOf({ slice: slice('2:', [4, 1]), values: [1, 2], dtype: 'F32' })).toBe('row,0\n2,1\n3,2\n');
    expect(csvOf({ slice: slice('', []), values: [7], dtype: 'F32' })).toBe('0\n7\n');
  });

  it('are arrays of NumPy, without the dimensions that are one index', () => {
    expect(numpyOf({ slice: found, values, dtype: 'BF16' })).toBe(
      'np.array([[0.1, -2, np.nan],\n          [0.33333334, np.inf, -0.0]], dtype=np.float32)\n',
    );
    expect(numpyOf({ slice: slice('', []), values: [7], dtype: 'I32' })).toBe(
      'np.array(7, dtype=np.int32)\n',
    );
    expect(numpyOf({ slice: slice('0:2', [3]), values: [1, 0], dtype: 'BOOL' })).toBe(
      'np.array([True, False], dtype=np.bool_)\n',
    );
    expect(numpyOf({ slice: slice('0:1,0:1', [3, 3]), values: [0.5], dtype: 'Q4_K' })).toBe(
      'np.array([[0.5]], dtype=np.float32)\n',
    );
  });
});
