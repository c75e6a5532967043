import { describe, expect, it } from 'vitest';
import { analyseTensor } from '../../../src/analysis/analyse';
import { compareFormats } from '../../../src/analysis/compare';
import { readRegion } from '../../../src/analysis/region';
import { openModel } from '../../../src/layouts/openModel';
import { formats, formatById } from '../../../src/quant/catalogue';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();

function f32Model(name: string, rows: number, columns: number, values: Float32Array): string {
  const header = safetensorsBytes(
    { w: { dtype: 'F32', shape: [rows, columns], data_offsets: [0, values.byteLength] } },
    0,
  );
  return writeFile(folder, name, Buffer.concat([header, Buffer.from(values.buffer)]));
}

async function analyse(path: string, tensor = 'w') {
  const model = await openModel(path);
  try {
    return await analyseTensor(model, model.tensor(tensor));
  } finally {
    await model.close();
  }
}

describe('analyseTensor', () => {
  const values = new Random(3).fill(100 * 50, (random) => random.normal() * 0.1 + 3);
  values[17] = NaN;
  values[18] = Infinity;
  values[19] = 0;
  values[4 * 50 + 7] = -90;
  const finite = [...values].filter(Number.isFinite);
  const path = f32Model('stats.safetensors', 100, 50, values);

  it('gives the statistics of the finite values', async () => {
    const { statistics } = await analyse(path);
    const mean = finite.reduce((sum, x) => sum + x, 0) / finite.length;
    const moment = (power: number): number =>
      finite.reduce((sum, x) => sum + (x - mean) ** power, 0) / finite.length;
    expect(statistics).toMatchObject({ count: 5000, nans: 1, infinities: 1, zeros: 1, min: -90, absMax: 90 });
    expect(statistics.mean).toBeCloseTo(mean, 10);
    expect(statistics.standardDeviation).toBeCloseTo(Math.sqrt(moment(2)), 10);
    expect(statistics.kurtosis / (moment(4) / moment(2) ** 2)).toBeCloseTo(1, 10);
  });

  it('gives exact percentiles by nearest rank', async () => {
    const sorted = Float32Array.from(finite).sort();
    const { statistics } = await analyse(path);
    for (const { percent, value } of statistics.percentiles) {
      expect(value).toBe(sorted[Math.ceil((percent / 100) * sorted.length) - 1]);
    }
  });

  it('counts every finite value once in the histogram', async () => {
    const { histogram, statistics } = await analyse(path);
    expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(finite.length);
    expect([histogram.min, histogram.max]).toEqual([statistics.min, statistics.max]);
    expect(histogram.counts[0]).toBe(1);
  });

  it('finds the outlier in its row, column and cell', async () => {
    const { outliers } = await analyse(path);
    expect(outliers.outlierRows[0]).toMatchObject({ index: 4, absMax: 90 });
    expect(outliers.outlierColumns[0]).toMatchObject({ index: 7, absMax: 90 });
    expect(outliers.values[4 * outliers.mapColumns + 7]).toBe(90);
    expect(outliers.values).toHaveLength(outliers.mapRows * outliers.mapColumns);
  });

  it('covers a large matrix with at most 128 × 128 cells', async () => {
    const { outliers } = await analyse(sampleFolder, 'lm_head.weight');
    expect(outliers).toMatchObject({
      rows: 1024,
      columns: 256,
      cellRows: 8,
      cellColumns: 2,
      mapRows: 128,
      mapColumns: 128,
    });
  });
});

describe('a dtype that float32 is too small for', () => {
  const modelOf = (dtype: string, values: ArrayBufferView<ArrayBuffer>, columns: number): string => {
    const bytes = Buffer.from(values.buffer);
    const header = safetensorsBytes(
      { w: { dtype, shape: [1, columns], data_offsets: [0, bytes.length] } },
      0,
    );
    return writeFile(folder, `${dtype}.safetensors`, Buffer.concat([header, bytes]));
  };
  const none = { nans: 0, infinities: 0, zeros: 0, beyondFloat32: 0, belowFloat32: 0, roundedIntegers: 0 };

  it.each([
    {
      dtype: 'F64',
      values: Float64Array.of(1e300, -1e300, Infinity, NaN, 0, -0, 1e-300, 3e38, 1e-45, 0.1),
      expected: { ...none, nans: 1, infinities: 1, zeros: 2, beyondFloat32: 2, belowFloat32: 1 },
    },
    // The largest float32 and half a step more: only that is infinite.
    {
      dtype: 'F64',
      values: Float64Array.of(3.4028234663852886e38, 3.4028235677973366e38),
      expected: { ...none, beyondFloat32: 1 },
    },
    {
      dtype: 'I32',
      values: Int32Array.of(0, 2 ** 24, 2 ** 24 + 1, -(2 ** 24) - 1, 2 ** 31 - 1, -(2 ** 31)),
      expected: { ...none, zeros: 1, roundedIntegers: 3 },
    },
    {
      dtype: 'U32',
      values: Uint32Array.of(7, 2 ** 31, 2 ** 32 - 1),
      expected: { ...none, roundedIntegers: 1 },
    },
    {
      dtype: 'I64',
      values: BigInt64Array.of(0n, -1n, 2n ** 24n + 1n, 2n ** 53n + 1n, -(2n ** 63n), 2n ** 63n - 1n),
      expected: { ...none, zeros: 1, roundedIntegers: 3 },
    },
    {
      dtype: 'U64',
      values: BigUint64Array.of(2n ** 63n, 2n ** 64n - 1n, 2n ** 54n + 2n ** 24n),
      expected: { ...none, roundedIntegers: 2 },
    },
    { dtype: 'F8_E4M3', values: Uint8Array.of(0x7f, 0x7e, 0xff), expected: { ...none, nans: 2 } },
    {
      dtype: 'F8_E5M2',
      values: Uint8Array.of(0x7c, 0x7d, 0x01),
      expected: { ...none, nans: 1, infinities: 1 },
    },
  ])('$dtype: lost values are counted', async ({ dtype, values, expected }) => {
    const { statistics } = await analyse(modelOf(dtype, values, values.length));
    expect(statistics).toMatchObject({ count: values.length, ...expected });
  });

  it('shows its values exactly', async () => {
    const regionOf = async (path: string, columns: number) => {
      const model = await openModel(path);
      const region = { firstRow: 0, firstColumn: 0, rows: 1, columns };
      return readRegion(model, model.tensor('w'), region).finally(() => model.close());
    };
    const doubles = Float64Array.of(1e300, 0.1, -Infinity, 1e-300);
    expect((await regionOf(modelOf('F64', doubles, 4), 4)).values).toEqual([...doubles]);
    const tokens = BigInt64Array.of(16_777_217n, -4_294_967_297n);
    expect((await regionOf(modelOf('I64', tokens, 2), 2)).values).toEqual([16_777_217, -4_294_967_297]);
  });
});

describe('compareFormats', () => {
  it('orders the formats of a trained layer by their bits', async () => {
    const model = await openModel(sampleFolder);
    const tensor = model.tensor('model.layers.2.mlp.up_proj.weight');
    const result = await compareFormats(model, tensor, formats);
    await model.close();
    const sqnr = (id: string): number => result.formats.find((item) => item.format === id)!.error.sqnr;
    expect(sqnr('Q4_0')).toBeLessThan(sqnr('Q4_K'));
    expect(sqnr('Q4_K')).toBeLessThan(sqnr('Q5_K'));
    expect(sqnr('Q5_K')).toBeLessThan(sqnr('Q6_K'));
    expect(sqnr('Q6_K')).toBeLessThan(sqnr('Q8_0'));
    expect(sqnr('minmax-int4')).toBeLessThan(sqnr('block-int4-asym'));
    expect(sqnr('BF16')).toBe(Infinity);
    expect(sqnr('Q2_K')).toBeLessThan(sqnr('Q3_K'));
    expect(sqnr('IQ3_XXS')).toBeLessThan(sqnr('IQ3_S'));
    expect(sqnr('IQ3_S')).toBeLessThan(sqnr('IQ4_XS'));
    for (const { histogram, error, bitsPerWeight } of result.formats) {
      expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(tensor.elements);
      expect(error.cosine).toBeGreaterThan(bitsPerWeight < 3 ? 0.7 : 0.9);
      expect(10 ** (-error.sqnr / 10)).toBeCloseTo(error.relativeSquaredError, 12);
    }
  });

  it('says why a format does not fit instead of failing', async () => {
    const path = f32Model(
      'odd.safetensors',
      4,
      100,
      new Random(1).fill(400, (random) => random.normal()),
    );
    const model = await openModel(path);
    const result = await compareFormats(model, model.tensor('w'), [formatById('Q4_K'), formatById('nf4')]);
    await model.close();
    expect(result.refused).toEqual([
      { format: 'Q4_K', reason: expect.stringContaining('multiple of 256') as string },
    ]);
    expect(result.formats.map((item) => item.format)).toEqual(['nf4']);
  });

  it('names the weight that is not finite', async () => {
    const values = new Float32Array(64);
    values[5] = Infinity;
    const model = await openModel(f32Model('inf.safetensors', 1, 64, values));
    await expect(compareFormats(model, model.tensor('w'), formats)).rejects.toThrow(
      /Weight 5 is infinite.*tensor "w"/,
    );
    await model.close();
  });
});
