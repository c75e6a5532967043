import { describe, expect, it } from 'vitest';
import { Transposed } from '../../../../src/exporter/onnx/transposed';

/** Writes a matrix of distinct numbers in slabs, and returns what arrived, with the lengths of the writes. */
async function transposed(
  [rows, columns]: readonly [number, number],
  slabRows: number,
  options: { rowMultiple?: number; maxBytes?: number },
) {
  const target = new Uint16Array(rows * columns).fill(65_535);
  const lengths: number[] = [];
  const writer = new Transposed(
    [rows, columns],
    (length) => new Uint16Array(length),
    (at, elements) => {
      target.set(elements, at);
      lengths.push(elements.length);
      return Promise.resolve();
    },
    options,
  );
  const source = Uint16Array.from({ length: rows * columns }, (_, i) => i);
  for (let row = 0; row < rows; row += slabRows)
    await writer.add(source.slice(row * columns, (row + slabRows) * columns));
  return { target: [...target], lengths };
}

const expected = ([rows, columns]: readonly [number, number]): number[] =>
  Array.from({ length: rows * columns }, (_, i) => (i % rows) * columns + Math.floor(i / rows));

describe('Transposed', () => {
  it.each([
    ['one row', [1, 40], 1],
    ['one column', [70, 1], 7],
    ['slabs that are not multiples of tiles', [100, 65], 9],
  ] as const)('%s: one write', async (_, shape, slabRows) => {
    const { target, lengths } = await transposed(shape, slabRows, {});
    expect(target).toEqual(expected(shape));
    expect(lengths).toEqual([shape[0] * shape[1]]);
  });

  it('bands that are smaller than slabs, and larger ones, whose rows come in several', async () => {
    const shape = [50, 33] as const;
    for (const slabRows of [3, 50]) {
      const { target, lengths } = await transposed(shape, slabRows, { maxBytes: 2 * 33 * 12 });
      expect(target).toEqual(expected(shape));
      // Four bands of 12 rows and one of 2, a write for each column.
      expect(lengths.filter((length) => length === 12)).toHaveLength(4 * 33);
      expect(lengths.filter((length) => length === 2)).toHaveLength(33);
    }
  });

  it('bands are whole multiples of rows, or all rows where these are none', async () => {
    const even = await transposed([20, 8], 5, { rowMultiple: 2, maxBytes: 2 * 8 * 5 });
    expect(even.target).toEqual(expected([20, 8]));
    expect(new Set(even.lengths)).toEqual(new Set([4]));
    const odd = await transposed([21, 8], 5, { rowMultiple: 2, maxBytes: 2 * 8 * 5 });
    expect(odd.target).toEqual(expected([21, 8]));
    expect(odd.lengths).toEqual([21 * 8]);
  });
});
