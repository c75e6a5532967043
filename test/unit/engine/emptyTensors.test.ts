import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { engineJobs } from '../../support/engineJobs';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
const largest = Number.MAX_SAFE_INTEGER;
const shapes: readonly (readonly number[])[] = [
  [largest, 0],
  [0, largest],
  [1.5e9, 0],
  [2 ** 40, 0, 5],
  [0],
  [0, 0],
];

/** A file of one tensor without weights: about 90 bytes. */
function emptyModel(shape: readonly number[]): string {
  const header = { 'w.weight': { dtype: 'F32', shape, data_offsets: [0, 0] } };
  return writeFile(folder, `${shape.join('x')}.safetensors`, safetensorsBytes(header, 0));
}

describe.each(shapes.map((shape) => [shape.join(' × '), shape] as const))(
  'a tensor of %s weights',
  (_, shape) => {
    const path = emptyModel(shape);
    const tensor = 'w.weight';

    it('has statistics that are not defined, and an empty map', async () => {
      const { statistics, histogram, outliers } = await request('tensor/analyse', { path, tensor });
      expect(statistics).toMatchObject({ count: 0, zeros: 0, nans: 0, infinities: 0 });
      for (const value of [
        statistics.min,
        statistics.max,
        statistics.mean,
        statistics.kurtosis,
        histogram.min,
      ])
        expect(value).toBeNaN();
      expect(histogram.counts.every((count) => count === 0)).toBe(true);
      expect([outliers.values, outliers.outlierRows, outliers.outlierColumns]).toEqual([[], [], []]);
    });

    it('is compared and quantized in no format, with the reason', async () => {
      const formats = ['Q4_K', 'nf4', 'rowwise-int8', 'minmax-int4'];
      const { refused, formats: measured } = await request('tensor/compare', { path, tensor, formats });
      expect(measured).toEqual([]);
      expect(refused).toEqual(formats.map((format) => ({ format, reason: 'The tensor has no weights.' })));
      const out = join(folder, 'out.safetensors');
      await expect(
        request('tensor/quantize', { path, choices: [{ tensor, format: 'nf4' }], out }),
      ).rejects.toMatchObject({
        code: 'REQUEST',
        message: expect.stringContaining('has no weights') as string,
      });
      expect(existsSync(out)).toBe(false);
    });

    it('is equal to itself, and has no cells in a sensitivity table', async () => {
      const { counts } = await request('model/compare', { path, other: path });
      expect(counts.equal).toBe(1);
      const overlay = await request('tensor/overlay', { path, other: path, tensor });
      expect(overlay.histogramA.counts.every((count) => count === 0)).toBe(true);
      const { rows } = await request('sensitivity/run', { path, device: 'cpu', cacheDir, weightsOnly: true });
      expect(rows.flatMap(({ cells }) => cells)).toEqual([]);
    });
  },
);
