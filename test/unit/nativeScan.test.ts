import { describe, expect, it } from 'vitest';
import { loadNative, type ScanResult } from '../../src/native';
import { Random } from '../support/random';

const native = loadNative();
const [rows, columns] = [37, 53];
const percentiles = [0.1, 25, 50, 99.9];
const options = { rows, columns, cellRows: 5, cellColumns: 7, bins: 40, percentiles };

/** Rounded to so many bits of mantissa, as a narrower float has them. */
function rounded(values: Float32Array, mantissaBits: number): Float32Array {
  const bits = new Uint32Array(values.slice().buffer);
  return new Float32Array(bits.map((word) => word & ~((1 << (23 - mantissaBits)) - 1)).buffer);
}

const exact = new Random(5).fill(rows * columns, (random) => random.studentT3() * 0.02);
exact.set([NaN, Infinity, -Infinity, 0, -0, -7.5, 1e-40]);
const samples = { F32: exact, F16: rounded(exact, 10), BF16: rounded(exact, 7) };

/** Scans the weights in pieces of these lengths, the last of which is repeated. */
async function scan(
  values: Float32Array,
  lengths: readonly number[],
  secondPass: boolean,
): Promise<ScanResult> {
  const running = native.createScan(options);
  const pass = async (take: (piece: Float32Array) => Promise<void>): Promise<void> => {
    for (let first = 0, i = 0; first < values.length; i++) {
      const length = lengths[Math.min(i, lengths.length - 1)]!;
      await take(values.subarray(first, Math.min(values.length, first + length)));
      first += length;
    }
  };
  await pass((piece) => running.first(piece));
  expect(running.turn()).toBe(secondPass);
  if (secondPass) await pass((piece) => running.second(piece));
  return running.finish();
}

const absMax = (values: Float32Array, belongs: (index: number) => boolean): number =>
  values.reduce(
    (most, value, i) => (belongs(i) && Number.isFinite(value) ? Math.max(most, Math.abs(value)) : most),
    0,
  );

function expectScan(found: ScanResult, values: Float32Array): void {
  const finite = values.filter(Number.isFinite);
  const sorted = finite.slice().sort();
  const mean = finite.reduce((sum, x) => sum + x, 0) / finite.length;
  const moment = (power: number): number =>
    finite.reduce((sum, x) => sum + (x - mean) ** power, 0) / finite.length;
  const row = (i: number): number => Math.floor(i / columns);
  expect(found).toMatchObject({
    ...{ count: values.length, finite: finite.length, nans: 1, infinities: 2 },
    zeros: finite.filter((x) => x === 0).length,
    ...{ min: sorted[0], max: sorted.at(-1) },
  });
  expect(found.mean).toBeCloseTo(mean, 12);
  expect(found.standardDeviation / Math.sqrt(moment(2))).toBeCloseTo(1, 10);
  expect(found.kurtosis / (moment(4) / moment(2) ** 2)).toBeCloseTo(1, 10);
  expect([...found.percentiles]).toEqual(
    percentiles.map((percent) => sorted[Math.ceil((percent / 100) * sorted.length) - 1]),
  );
  expect([...found.rowAbsMax]).toEqual(
    Array.from({ length: rows }, (_, r) => absMax(values, (i) => row(i) === r)),
  );
  expect([...found.columnAbsMax]).toEqual(
    Array.from({ length: columns }, (_, c) => absMax(values, (i) => i % columns === c)),
  );
  expect([...found.cellAbsMax]).toEqual(
    Array.from({ length: 8 * 8 }, (_, cell) =>
      absMax(
        values,
        (i) => Math.floor(row(i) / 5) === Math.floor(cell / 8) && Math.floor((i % columns) / 7) === cell % 8,
      ),
    ),
  );
}

describe('a scan', () => {
  it.each([
    ['F32', true],
    ['F16', false],
    ['BF16', false],
  ] as const)(
    'of %s finds the same in pieces of any length, with a second pass: %s',
    async (name, second) => {
      const values = samples[name];
      const whole = await scan(values, [values.length], second);
      expectScan(whole, values);
      const counts = await native.histogram(values, whole.min, whole.max, options.bins);
      expect(whole.histogram).toEqual(counts);
      for (const lengths of [[columns], [1, 2 * columns + 3, 17], [1000]]) {
        const found = await scan(values, lengths, second);
        expectScan(found, values);
        expect(found.histogram).toEqual(counts);
      }
    },
  );

  it('keeps everything but the maxima of single rows of a matrix that has too many', async () => {
    const many = 2 ** 22 + 1;
    const running = native.createScan({ ...options, rows: many, columns: 1, cellRows: many, cellColumns: 1 });
    await running.first(new Float32Array(many).fill(2));
    const { rowAbsMax, columnAbsMax, cellAbsMax, count, percentiles: found } = running.finish();
    expect([rowAbsMax.length, [...columnAbsMax], [...cellAbsMax], count]).toEqual([0, [2], [2], many]);
    expect([...found]).toEqual([2, 2, 2, 2]);
  });

  it.each([
    ['without weights', { columns: 0 }, 'without weights'],
    ['of rows that cannot be counted', { rows: -1 }, 'rows is not a count'],
    ['of more weights than can be counted', { rows: 2 ** 40, columns: 2 ** 40 }, 'more than 2^53 weights'],
    ['with a map of a cell per weight', { rows: 2 ** 30, columns: 2 ** 20, cellRows: 1 }, 'too many cells'],
    ['with more bins than memory', { bins: 2 ** 50 }, 'not enough memory'],
  ])('%s is an error', (_, changed, message) =>
    expect(() => native.createScan({ ...options, ...changed })).toThrow(message),
  );

  it('of more weights than the matrix has is an error', async () => {
    const running = native.createScan({ ...options, rows: 1, columns: 3 });
    await expect(running.first(new Float32Array(4))).rejects.toThrow('more weights were scanned');
  });

  it('takes one piece after the other', async () => {
    const running = native.createScan({ ...options, rows: 2 ** 16, cellRows: 2 ** 10 });
    const first = running.first(new Float32Array(2 ** 16 * columns));
    await expect(running.first(new Float32Array(columns))).rejects.toThrow('one slab at a time');
    expect(() => running.turn()).toThrow('a slab is still being scanned');
    expect(() => running.finish()).toThrow('a slab is still being scanned');
    await first;
  });
});

describe('the range of some weights', () => {
  const bytes = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);

  it('is that of the finite ones, and names the first that is not', async () => {
    const values = new Random(6).fill(200_000, (random) => random.normal());
    const sorted = values.slice().sort();
    const [min, max] = [sorted[0], sorted.at(-1)];
    expect(await native.measureRange('F32', bytes(values))).toEqual({ min, max, bad: undefined });
    values.set([Infinity, NaN], 150_000);
    values[190_000] = NaN;
    const { bad } = await native.measureRange('F32', bytes(values));
    expect(bad).toEqual({ kind: 'infinite', index: 150_000 });
  });

  it('of no weights is empty', async () =>
    expect(await native.measureRange('F32', new Uint8Array())).toEqual({
      ...{ min: Infinity, max: -Infinity, bad: undefined },
    }));
});

describe('the addon', () => {
  it.each([
    [NaN, NaN],
    [-Infinity, Infinity],
    [0, Infinity],
    [3, 3],
    [5, 1],
  ])('counts every finite weight in some bin of a range from %s to %s', async (min, max) => {
    const counts = await native.histogram(Float32Array.of(-1e30, 0, 3, 1e30, NaN, Infinity), min, max, 8);
    expect(counts.reduce((sum, count) => sum + count)).toBe(4);
  });

  it.each([
    ['types that it does not know', 'Q9_K', 'there is no decoder for Q9_K'],
    ['types that it only decodes', 'F64', 'there is no encoder for F64'],
  ])('rejects %s with an error', async (_, type, message) => {
    const weights = new Float32Array(64);
    const encode = async () => native.encodeRows(type, weights, 64, new Uint8Array(512));
    await expect(encode()).rejects.toThrow(message);
    const measure = async () => native.measureRows('F32', new Uint8Array(256), 64, type);
    await expect(measure()).rejects.toThrow(message);
  });

  it('names the weight that a fused pass cannot measure', async () => {
    const values = new Float32Array(512).fill(1);
    values[300] = NaN;
    const { bad } = await native.measureRows('F32', new Uint8Array(values.buffer), 256, 'Q4_0');
    expect(bad).toEqual({ kind: 'NaN', index: 300 });
  });
});
