import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { analyseTensor } from '../../../src/analysis/analyse';
import { compareFormats } from '../../../src/analysis/compare';
import { scanModel, storedScan } from '../../../src/analysis/modelScan';
import type { ScanStep } from '../../../src/analysis/scanProgress';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { scanFigureNames, type ModelScan } from '../../../src/protocol/modelScan';
import { formatById } from '../../../src/quant/catalogue';
import { countReads, readsOf } from '../../support/countReads';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../support/files';

const q8 = formatById('Q8_0');
const cacheDir = (): string => join(temporaryFolder(), 'kept');

async function using<T>(path: string, work: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(path);
  return work(model).finally(() => model.close());
}

/** The figures of one tensor. */
const rowOf = ({ names, figures }: ModelScan, name: string): Record<string, number> => {
  const index = names.indexOf(name);
  return Object.fromEntries(scanFigureNames.map((figure) => [figure, figures[figure][index]!]));
};

/** Two matrices of float32: one with a dead row, a dead column and an outlier, one with a NaN. */
function oddModel(): string {
  const good = new Float32Array(64 * 64).map((_, i) =>
    i % 64 === 5 || Math.floor(i / 64) === 9 ? 0 : ((i * 7919) % 13) - 6.5,
  );
  good[70] = 1000;
  const bad = new Float32Array(64 * 64).fill(0.5);
  bad.set([NaN, -Infinity], 17);
  const bytes = 4 * good.length;
  const header = safetensorsBytes(
    {
      good: { dtype: 'F32', shape: [64, 64], data_offsets: [0, bytes] },
      bad: { dtype: 'F32', shape: [64, 64], data_offsets: [bytes, 2 * bytes] },
    },
    0,
  );
  const data = [header, Buffer.from(good.buffer), Buffer.from(bad.buffer)];
  return writeFile(temporaryFolder(), 'odd.safetensors', Buffer.concat(data));
}

describe('a scan of a model', () => {
  it('has the figures of each tensor that its analysis has', () =>
    using(sampleFolder, async (model) => {
      const scan = await scanModel(model, { cacheDir: cacheDir(), format: q8 });
      expect(scan.names).toEqual(model.description.tensors.map(({ name }) => name));
      expect(scan.tensors).toBe(scan.names.length);
      const name = 'model.layers.2.mlp.up_proj.weight';
      const { statistics, outlierCounts } = await analyseTensor(model, model.tensor(name));
      const { absMax, mean, standardDeviation, kurtosis, zeros, nans, infinities } = statistics;
      const beyond = outlierCounts.beyond.find(({ k }) => k === 6)!.count;
      expect(rowOf(scan, name)).toEqual({
        ...{ absMax, mean, standardDeviation, kurtosis, zeros, nans, infinities },
        ...{ rms: outlierCounts.sigma, outlierShare: beyond / statistics.count, deadRows: 0, deadColumns: 0 },
      });
      const [compared] = (await compareFormats(model, model.tensor(name), [q8])).formats;
      expect(scan.error?.relative[scan.names.indexOf(name)]).toBe(compared!.error.relativeError);
    }));

  it('names dead lines and outliers, and gives a tensor with NaN no error', () =>
    using(oddModel(), async (model) => {
      const scan = await scanModel(model, { cacheDir: cacheDir(), format: q8 });
      expect(rowOf(scan, 'good')).toMatchObject({ deadRows: 1, deadColumns: 1, outlierShare: 1 / 4096 });
      expect(rowOf(scan, 'bad')).toMatchObject({ nans: 1, infinities: 1, absMax: 0.5, rms: 0.5 });
      expect(scan.error?.relative.map((error) => error > 0)).toEqual([true, false]);
      expect(scan.error?.relative[1]).toBeNaN();
      expect(scan.error?.measured).toBe(2);
    }));

  it('reads nothing again that it has finished', async () => {
    const folder = cacheDir();
    const first = await using(sampleFolder, (model) => scanModel(model, { cacheDir: folder }));
    await using(sampleFolder, async (opened) => {
      const model = countReads(opened);
      expect(await scanModel(model, { cacheDir: folder })).toEqual(first);
      expect(await storedScan(model, { cacheDir: folder })).toEqual(first);
      expect(model.bytesRead.size).toBe(0);
      const weights = await scanModel(model, { cacheDir: folder, format: q8 });
      expect(weights.error?.relative.every((error) => error > 0 && error < 0.01)).toBe(true);
      expect(new Set(readsOf(model).values())).toEqual(new Set([1]));
    });
  });

  it('continues after it was stopped, and after a torn line', async () => {
    const folder = cacheDir();
    await using(sampleFolder, async (model) => {
      const stop = new AbortController();
      const onProgress = ({ done, total }: ScanStep): void => {
        if (done > total / 2) stop.abort();
      };
      await expect(
        scanModel(model, { cacheDir: folder, signal: stop.signal, onProgress }),
      ).rejects.toMatchObject({ code: 'CANCELLED' });
      const kept = await storedScan(model, { cacheDir: folder });
      expect(kept.names.length).toBeGreaterThan(0);
      expect(kept.names.length).toBeLessThan(kept.tensors);
      const [name] = readdirSync(folder);
      const file = join(folder, name!);
      writeFileSync(file, readFileSync(file, 'utf8').slice(0, -40));
      const whole = await scanModel(model, { cacheDir: folder });
      expect(whole).toEqual(await scanModel(model, { cacheDir: cacheDir() }));
    });
  });

  it('gives the same twice at once, and keeps it', async () => {
    const folder = cacheDir();
    const scan = () => using(sampleFolder, (model) => scanModel(model, { cacheDir: folder, format: q8 }));
    const [a, b] = await Promise.all([scan(), scan()]);
    expect(a).toEqual(b);
    expect([a.notKept, b.notKept]).toEqual([undefined, undefined]);
    await using(sampleFolder, async (model) =>
      expect(await storedScan(model, { cacheDir: folder, format: q8 })).toEqual(a),
    );
  });

  it('tells how many bytes of how many it has gone through', () =>
    using(sampleFolder, async (model) => {
      const steps: ScanStep[] = [];
      await scanModel(model, { cacheDir: cacheDir(), format: q8, onProgress: (step) => steps.push(step) });
      const { dataBytes } = model.description;
      expect(steps.at(-1)).toMatchObject({ done: 2 * dataBytes, total: 2 * dataBytes });
      expect(steps.every(({ done, total }) => done <= total)).toBe(true);
    }));

  it('refuses a format that no tensor can take', () =>
    using(sampleFolder, (model) =>
      expect(scanModel(model, { cacheDir: cacheDir(), format: formatById('IQ2_XXS') })).rejects.toThrow(
        /No tensor of the model can be quantized to IQ2_XXS: .*importance/,
      ),
    ));

  it('works where nothing can be kept, and says why', () =>
    using(sampleFolder, async (model) => {
      const file = writeFile(temporaryFolder(), 'file', '');
      const scan = await scanModel(model, { cacheDir: join(file, 'kept') });
      expect(scan.names).toHaveLength(scan.tensors);
      expect(scan.notKept).toMatch(/ENOTDIR|not a directory/);
    }));
});
