import { afterAll, describe, expect, it } from 'vitest';
import { dtypeNamed, ggmlRowBytes } from '../../src/model/dtypes';
import { loadNative, type ScanOptions, type ScanResult } from '../../src/native';
import { Random } from '../support/random';
import { scanFaults } from '../support/scanReference';

const native = loadNative();
const widest = native.simd;
const figures = { bins: 40, percentiles: [0.1, 25, 50, 99.9], thresholds: [0.5, 3, 6] };

afterAll(() => native.setSimd(widest));

const bytesOf = (values: Float32Array): Uint8Array => new Uint8Array(values.slice().buffer);

/** Scans the data in pieces of these lengths in bytes, the last of which is repeated. */
async function scan(
  options: ScanOptions,
  data: Uint8Array,
  lengths: readonly number[] = [data.length],
): Promise<{ found: ScanResult; hasSecondPass: boolean }> {
  const running = native.createScan(options);
  const pass = async (take: (piece: Uint8Array) => Promise<void>): Promise<void> => {
    for (let first = 0, i = 0; first < data.length; i++) {
      const length = lengths[Math.min(i, lengths.length - 1)]!;
      await take(data.subarray(first, Math.min(data.length, first + length)));
      first += length;
    }
  };
  await pass((piece) => running.first(piece));
  const hasSecondPass = running.turn();
  if (hasSecondPass) await pass((piece) => running.second(piece));
  return { found: running.finish(), hasSecondPass };
}

const random = new Random(5);
const heavyTailed = (count: number): Float32Array => random.fill(count, (from) => from.studentT3() * 0.02);
const withOddities = (values: Float32Array): Float32Array => {
  values.set([NaN, Infinity, -Infinity, 0, -0, -7.5, 1e-40]);
  return values;
};
/** Rounded to so many bits of mantissa, as a narrower float has them. */
const rounded = (values: Float32Array, mantissaBits: number): Float32Array => {
  const bits = new Uint32Array(values.slice().buffer);
  return new Float32Array(bits.map((word) => word & ~((1 << (23 - mantissaBits)) - 1)).buffer);
};

/** Data of a dtype in which every byte occurs. */
async function dataOf(dtype: string, weights: number): Promise<Uint8Array> {
  if (dtype === 'F32') return bytesOf(withOddities(heavyTailed(weights)));
  const known = dtypeNamed(dtype)!;
  if (known.block === 1)
    return Uint8Array.from({ length: (weights * known.bitsPerBlock) / 8 }, () =>
      Math.floor(random.next() * 256),
    );
  const data = new Uint8Array(ggmlRowBytes(dtype, weights));
  const importance = new Float32Array(weights).fill(1);
  await native.encodeRows(dtype, heavyTailed(weights), weights, data, { importance });
  return data;
}

const ggmlNames = native.codecs.filter(({ block }) => block > 1).map(({ name }) => name);
const plain = ['F64', 'F32', 'F16', 'BF16', 'F8_E4M3', 'F8_E5M2'];
const integers = ['I64', 'I32', 'I16', 'I8', 'U64', 'U32', 'U16', 'U8', 'BOOL'];

describe('a scan', () => {
  it.each([...plain, ...integers, ...ggmlNames])(
    'of %s finds what plain loops in float64 find',
    async (dtype) => {
      const [rows, columns] = [21, 768];
      const data = await dataOf(dtype, rows * columns);
      const options = { dtype, rows, columns, cellRows: 5, cellColumns: 7, ...figures };
      const values = new Float32Array(rows * columns);
      await native.decode(dtype, data, values);
      const { found, hasSecondPass } = await scan(options, data);
      expect(scanFaults(found, values, options)).toEqual([]);
      const { block, bitsPerBlock } = dtypeNamed(dtype)!;
      if (block === 1) expect(hasSecondPass).toBe(bitsPerBlock > 16);
      const counts = await native.histogram(values, found.min, found.max, figures.bins);
      expect(found.histogram).toEqual(counts);
    },
  );

  it.each([
    { rows: 37, columns: 53, cellRows: 5, cellColumns: 7 },
    { rows: 1, columns: 70_001, cellRows: 1, cellColumns: 547 },
    { rows: 20_011, columns: 3, cellRows: 157, cellColumns: 1 },
    { rows: 3, columns: 40_000, cellRows: 1, cellColumns: 313 },
  ])(
    'of $rows rows of $columns finds the same in pieces of any length and on every vector unit',
    async (shape) => {
      const weights = shape.rows * shape.columns;
      const values = withOddities(heavyTailed(weights));
      for (const [dtype, matrix] of [
        ['F32', values],
        ['F32', rounded(values, 7)],
        ['BF16', rounded(values, 7)],
      ] as const) {
        const options = { dtype, ...shape, ...figures };
        const words = new Uint16Array(matrix.slice().buffer).filter((_, i) => i % 2 === 1);
        const data = dtype === 'F32' ? bytesOf(matrix) : new Uint8Array(words.buffer);
        const size = data.length / weights;
        const whole = await scan(options, data);
        expect(whole.hasSecondPass).toBe(matrix === values);
        expect(scanFaults(whole.found, matrix, options)).toEqual([]);
        for (const lengths of [[shape.columns * 64], [1, 2 * shape.columns + 3, 17_001], [9_999]]) {
          const { found } = await scan(
            options,
            data,
            lengths.map((length) => length * size),
          );
          expect(scanFaults(found, matrix, options)).toEqual([]);
          expect(found.histogram).toEqual(whole.found.histogram);
        }
        for (const path of native.simdPaths) {
          native.setSimd(path);
          expect((await scan(options, data)).found, path).toEqual(whole.found);
        }
        native.setSimd(widest);
      }
    },
  );

  it.each(['F32', 'BF16'])('of %s counts a histogram over a range, and what is outside', async (dtype) => {
    const values = Float32Array.of(-4, -1, -0.5, 0, 0.25, 1, 1.5, NaN, Infinity, -Infinity, 3, 1 / 3);
    const matrix = dtype === 'F32' ? values : rounded(values, 7);
    const words = new Uint16Array(matrix.slice().buffer).filter((_, i) => i % 2 === 1);
    const data = dtype === 'F32' ? bytesOf(matrix) : new Uint8Array(words.buffer);
    const shape = { rows: 2, columns: 6, cellRows: 1, cellColumns: 1 };
    const options = { dtype, ...shape, ...figures, bins: 4, range: { min: -1, max: 1 } };
    const { found } = await scan(options, data);
    expect([...found.histogram]).toEqual([1, 1, 3, 1]);
    expect([found.below, found.above]).toEqual([1, 2]);
  });

  it.each([
    ['F32', Float32Array.of(0.1, 0.1, 0.1)],
    ['BF16', Uint16Array.of(0x3dcd, 0x3dcd, 0x3dcd)],
  ])('of equal %s has no spread, and no kurtosis', async (dtype, values) => {
    const options = { dtype, rows: 1, columns: 3, cellRows: 1, cellColumns: 1, ...figures };
    const { found } = await scan(options, new Uint8Array(values.buffer));
    expect(found).toMatchObject({ standardDeviation: 0, kurtosis: NaN, zeros: 0, mean: found.min });
  });

  it('without a finite weight has no figures', async () => {
    const options = { dtype: 'F32', rows: 1, columns: 2, cellRows: 1, cellColumns: 1, ...figures };
    const { found } = await scan(options, bytesOf(Float32Array.of(NaN, -Infinity)));
    expect(found).toMatchObject({
      finite: 0,
      nans: 1,
      infinities: 1,
      min: NaN,
      max: NaN,
      mean: NaN,
      rms: NaN,
    });
    expect([...found.percentiles, ...found.rowRms, ...found.beyond]).toEqual([
      NaN,
      NaN,
      NaN,
      NaN,
      0,
      0,
      0,
      0,
    ]);
  });

  it('keeps everything but the figures of single rows of a matrix that has too many', async () => {
    const many = 2 ** 22 + 1;
    const options = { dtype: 'F32', rows: many, columns: 1, cellRows: many, cellColumns: 1, ...figures };
    const running = native.createScan(options);
    await running.first(bytesOf(new Float32Array(many).fill(2)));
    const { rowAbsMax, rowRms, columnAbsMax, cellAbsMax, count, percentiles: found } = running.finish();
    expect([rowAbsMax.length, rowRms.length, [...columnAbsMax], [...cellAbsMax], count]).toEqual([0, 0, [2], [2], many]); // prettier-ignore
    expect([...found]).toEqual([2, 2, 2, 2]);
  });

  const small = { dtype: 'F32', rows: 37, columns: 53, cellRows: 5, cellColumns: 7, ...figures };

  it.each([
    ['without weights', { columns: 0 }, 'without weights'],
    ['of an unknown dtype', { dtype: 'F9' }, 'there is no decoder for F9'],
    ['of rows that cannot be counted', { rows: -1 }, 'rows is not a count'],
    ['of more weights than can be counted', { rows: 2 ** 40, columns: 2 ** 40 }, 'more than 2^53 weights'],
    ['with a map of a cell per weight', { rows: 2 ** 30, columns: 2 ** 20, cellRows: 1 }, 'too many cells'],
    ['with more bins than memory', { bins: 2 ** 50 }, 'not enough memory'],
  ])('%s is an error', (_, changed, message) =>
    expect(() => native.createScan({ ...small, ...changed })).toThrow(message),
  );

  it('of more weights than the matrix has, or of a part of a block, is an error', async () => {
    const three = native.createScan({ ...small, rows: 1, columns: 3 });
    await expect(three.first(new Uint8Array(16))).rejects.toThrow('more weights were scanned');
    await expect(three.first(new Uint8Array(6))).rejects.toThrow(
      'the slab has 6 elements where 4 are needed',
    );
    const blocks = native.createScan({ ...small, dtype: 'Q4_K', columns: 300 });
    await expect(blocks.first(new Uint8Array(144))).rejects.toThrow('not whole blocks of Q4_K');
  });

  it('takes one piece after the other', async () => {
    const running = native.createScan({ ...small, rows: 2 ** 16, cellRows: 2 ** 10 });
    const first = running.first(new Uint8Array(4 * 2 ** 16 * small.columns));
    await expect(running.first(new Uint8Array(4 * small.columns))).rejects.toThrow('one slab at a time');
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
