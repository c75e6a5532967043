import { afterEach, describe, expect, it } from 'vitest';
import { loadNative } from '../../src/native';
import { Random } from '../support/random';

const native = loadNative();
const widest = native.simd;

afterEach(() => {
  native.setSimd(widest);
  native.setThreads(2);
});

const matrix = (rows: number, columns: number): Float32Array =>
  new Random(rows * 1000 + columns).fill(rows * columns, (random) => random.studentT3());

/** The same result from every instruction set and number of threads. */
async function expectSameEverywhere<T>(compute: () => Promise<T>): Promise<void> {
  const expected = await compute();
  for (const path of native.simdPaths) {
    for (const threads of [1, 3]) {
      native.setSimd(path);
      native.setThreads(threads);
      expect(await compute(), `${path}, ${threads} threads`).toEqual(expected);
    }
  }
}

async function columnSums(values: Float32Array, columns: number): Promise<Float64Array> {
  const sums = new Float64Array(3 * columns);
  await native.columnSums(values, columns, sums);
  return sums;
}

describe('column sums', () => {
  it.each([
    [1, 1],
    [3, 257],
    [511, 5],
    [513, 300],
    [1700, 7],
  ])('of %i × %i values are those of the definition', async (rows, columns) => {
    const values = matrix(rows, columns);
    const sums = await columnSums(values, columns);
    for (let column = 0; column < columns; column++) {
      const own = Array.from({ length: rows }, (_, row) => values[row * columns + column]!);
      const size = own.reduce((sum, x) => sum + Math.abs(x), 0);
      const squares = own.reduce((sum, x) => sum + x * x, 0);
      expect(
        Math.abs(sums[column]! - own.reduce((sum, x) => sum + x, 0)),
        `Σ of column ${column}`,
      ).toBeLessThanOrEqual(1e-14 * size);
      expect(Math.abs(sums[columns + column]! - squares)).toBeLessThanOrEqual(1e-13 * squares);
      expect(sums[2 * columns + column]).toBe(Math.max(...own.map(Math.abs)));
    }
  });

  it('keep what is small beside what cancels', async () => {
    const rows = 2000;
    const values = Float32Array.from({ length: rows }, (_, row) => (row % 2 === 0 ? 2 ** 20 : 4 - 2 ** 20));
    expect(await columnSums(values, 1)).toEqual(
      Float64Array.of(4000, (rows / 2) * (2 ** 40 + (2 ** 20 - 4) ** 2), 2 ** 20),
    );
  });

  it('are added to what is there', async () => {
    const values = matrix(700, 11);
    const sums = Float64Array.from({ length: 33 }, (_, i) => (i < 22 ? 5 : i === 22 ? 1e9 : 0));
    await native.columnSums(values, 11, sums);
    const alone = await columnSums(values, 11);
    for (let i = 0; i < 22; i++) expect(sums[i]).toBeCloseTo(alone[i]! + 5, 6);
    expect(sums[22]).toBe(1e9);
    expect(sums.subarray(23)).toEqual(alone.subarray(23));
  });

  it('do not depend on threads or instruction set', async () => {
    const values = matrix(1300, 301);
    await expectSameEverywhere(() => columnSums(values, 301));
  });

  it('of a column with a NaN are NaN, whatever follows', async () => {
    const values = matrix(1300, 3);
    values[3 * 600 + 1] = -NaN;
    values[3 * 1200 + 2] = -Infinity;
    const sums = await columnSums(values, 3);
    expect([sums[1], sums[4], sums[7]]).toEqual([NaN, NaN, NaN]);
    expect([sums[2], sums[5], sums[8]]).toEqual([-Infinity, Infinity, Infinity]);
    expect(Number.isFinite(sums[0])).toBe(true);
    await native.columnSums(matrix(2, 3), 3, sums);
    expect(sums[7]).toBeNaN();
  });

  it('need rows and sums that fit, and change nothing when cancelled', async () => {
    const values = matrix(2, 6);
    await expect(native.columnSums(values, 5, new Float64Array(15))).rejects.toThrow('not whole rows of 5');
    await expect(native.columnSums(values, 6, new Float64Array(12))).rejects.toThrow(
      'sums has 12 elements where 18 are needed',
    );
    const sums = new Float64Array(18);
    const cancelled = native.columnSums(values, 6, sums, AbortSignal.abort());
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
    expect(sums).toEqual(new Float64Array(18));
  });
});

/** Σ over rows of x[row][i] · x[row][j], and of its terms' magnitudes, in float64. */
function product(values: Float32Array, columns: number, i: number, j: number): { sum: number; size: number } {
  let [sum, size] = [0, 0];
  for (let row = 0; row < values.length; row += columns) {
    const term = values[row + i]! * values[row + j]!;
    sum += term;
    size += Math.abs(term);
  }
  return { sum, size };
}

describe('products of columns', () => {
  it.each([
    [1, 1, 0, 1],
    [5, 37, 3, 9],
    [127, 33, 0, 33],
    [128, 129, 100, 29],
    [300, 200, 7, 101],
  ])('of %i × %i values, columns %i and %i more, are those of the definition', async (...sizes) => {
    const [rows, columns, first, count] = sizes;
    const values = matrix(rows, columns);
    const target = new Float32Array(count * columns);
    await native.gram(values, columns, first, count, target);
    for (let i = 0; i < count; i++) {
      for (let j = 0; j < columns; j++) {
        const { sum, size } = product(values, columns, first + i, j);
        expect(Math.abs(target[i * columns + j]! - sum), `${i}, ${j}`).toBeLessThanOrEqual(2e-6 * size);
      }
    }
  });

  it('are exact where float32 is, and add up over calls', async () => {
    const columns = 141;
    const values = new Random(2).fill(260 * columns, (random) => Math.floor(random.next() * 17) - 8);
    const target = new Float32Array(columns * columns).fill(3);
    await native.gram(values.subarray(0, 130 * columns), columns, 0, columns, target);
    await native.gram(values.subarray(130 * columns), columns, 0, columns, target);
    const expected = Float32Array.from(
      { length: target.length },
      (_, at) => 3 + product(values, columns, Math.floor(at / columns), at % columns).sum,
    );
    expect(target).toEqual(expected);
  });

  it('do not depend on threads or instruction set', async () => {
    const values = matrix(300, 150);
    await expectSameEverywhere(async () => {
      const target = new Float32Array(77 * 150);
      await native.gram(values, 150, 60, 77, target);
      return target;
    });
  });

  it('with a NaN are NaN in its row and column alone', async () => {
    const values = matrix(200, 5);
    values[5 * 150 + 2] = NaN;
    const target = new Float32Array(25);
    await native.gram(values, 5, 0, 5, target);
    target.forEach((value, at) => expect(Number.isNaN(value)).toBe(at % 5 === 2 || Math.floor(at / 5) === 2));
  });

  it('need columns of the matrix and a target that fits', async () => {
    const values = matrix(4, 6);
    await expect(native.gram(values, 6, 5, 2, new Float32Array(12))).rejects.toThrow(
      'columns 5 to 7 are not among the 6 of the matrix',
    );
    await expect(native.gram(values, 6, 0, 2, new Float32Array(11))).rejects.toThrow(
      'target has 11 elements where 12 are needed',
    );
    const cancelled = native.gram(values, 6, 0, 6, new Float32Array(36), AbortSignal.abort());
    await expect(cancelled).rejects.toMatchObject({ code: 'CANCELLED' });
  });
});

describe('copy bandwidth', () => {
  it('is a speed that memory can have', async () => {
    const perSecond = await native.copyBandwidth(8 << 20);
    expect(perSecond).toBeGreaterThan(1e7);
    expect(perSecond).toBeLessThan(1e14);
  });

  it.each([0, 1000, -5, 2 ** 52])('is not measured with %i bytes', async (bytes) => {
    await expect(native.copyBandwidth(bytes)).rejects.toThrow('bytes are no size to measure copying with');
  });
});
