import { describe, expect, it } from 'vitest';
import { analyseTensor } from '../../../src/analysis/analyse';
import { compareFormats } from '../../../src/analysis/compare';
import { openModel } from '../../../src/model/openModel';
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

describe('compareFormats', () => {
  it('orders the formats of a trained layer as their bits do', async () => {
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
