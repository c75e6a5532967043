import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { maxRowWeights } from '../../../src/model/rows';
import { formats } from '../../../src/quant/catalogue';
import type { QuantFormat } from '../../../src/quant/format';
import { engineJobs } from '../../support/engineJobs';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { Random } from '../../support/random';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);

/** Codes of odd rows end within a byte; long rows are processed in parts; a scalar has no rows. */
const shapes: Readonly<Record<string, readonly number[]>> = {
  'odd rows': [5, 45],
  'many rows': [140, 512],
  experts: [2, 3, 256],
  'long rows': [2, 2 ** 20 + 3 * 256],
  'long odd rows': [2, 2 ** 20 + 77],
  'one weight': [],
};

function sourceOf(name: string, shape: readonly number[]): string {
  const count = shape.reduce((product, size) => product * size, 1);
  const values = new Random(3).fill(count, (random) => random.normal());
  const header = safetensorsBytes(
    { 'w.weight': { dtype: 'F32', shape, data_offsets: [0, values.byteLength] } },
    0,
  );
  return writeFile(folder, `${name}.safetensors`, Buffer.concat([header, Buffer.from(values.buffer)]));
}

/** The first weights, read in regions that are given weight by weight. */
async function weightsOf(path: string, rows: number, columns: number, limit: number): Promise<number[]> {
  const found: number[] = [];
  for (let row = 0; row < rows && found.length < limit; row++)
    for (let first = 0; first < columns && found.length < limit; first += 128) {
      const region = { firstRow: row, firstColumn: first, rows: 1, columns: Math.min(128, columns - first) };
      const { values } = await request('tensor/region', { path, tensor: 'w.weight', region });
      found.push(...values);
    }
  return found;
}

describe.each(Object.entries(shapes))('a file of Quantize with %s', (name, shape) => {
  const source = sourceOf(name, shape);
  const columns = shape.at(-1) ?? 1;
  const rows = shape.slice(0, -1).reduce((product, size) => product * size, 1);
  // The parts of long rows differ between schemes, not between types of ggml.
  const isListed = ({ id, scheme }: QuantFormat): boolean =>
    columns <= maxRowWeights || scheme.kind !== 'ggml' || id === 'Q4_K';
  const fitting = formats
    .filter((format) => format.refuse(shape) === undefined && isListed(format))
    .map(({ id }) => id);

  it.each(fitting)('in %s is read by every request alike', async (format) => {
    const out = join(folder, `${name} ${format}.safetensors`);
    const saved = await request('tensor/quantize', {
      path: source,
      choices: [{ tensor: 'w.weight', format }],
      out,
    });
    const written = saved.tensors[0]!.result.error;

    const { tensors, counts } = await request('model/compare', { path: source, other: out });
    expect(counts.equal + counts.different).toBe(1);
    const compared = tensors[0]!.error!;
    expect(compared.maxError).toBe(written.maxError);
    // The same numbers, added up in other slabs.
    expect(Math.abs(compared.relativeError - written.relativeError)).toBeLessThanOrEqual(1e-14);

    const { statistics, histogram } = await request('tensor/analyse', { path: out, tensor: 'w.weight' });
    expect(statistics).toMatchObject({ count: rows * columns, nans: 0, infinities: 0 });
    const whole = { firstRow: 0, firstColumn: 0, rows, columns };
    const map = await request('tensor/region', { path: out, tensor: 'w.weight', region: whole });
    const largest = map.values.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    expect(largest).toBe(statistics.absMax);

    const overlay = await request('tensor/overlay', { path: out, other: out, tensor: 'w.weight' });
    expect(overlay.histogramA).toMatchObject({ min: histogram.min, max: histogram.max });
    expect(overlay.histogramB).toEqual(overlay.histogramA);
    expect(overlay.errorMap.values.every((value) => value === 0)).toBe(true);
  });

  it('is shown weight by weight as it is compared', async () => {
    const format = fitting.includes('block-int4-asym') ? 'block-int4-asym' : fitting[0]!;
    const out = join(folder, `${name} ${format}.safetensors`);
    const [before, after] = [
      await weightsOf(source, rows, columns, 4096),
      await weightsOf(out, rows, columns, 4096),
    ];
    const { tensors } = await request('model/compare', { path: source, other: out });
    const errors = before.map((value, i) => Math.abs(value - after[i]!));
    const largest = errors.reduce((most, value) => Math.max(most, value), 0);
    const { maxError } = tensors[0]!.error!;
    expect(largest).toBeLessThanOrEqual(maxError);
    expect(largest).toBeGreaterThanOrEqual(
      before.length === rows * columns ? 0.999 * maxError : maxError / 4,
    );
  });

  it('is measured and quantized again', async () => {
    const path = join(folder, `${name} absmax-int8.safetensors`);
    const settings = { path, formats: ['block-int4-sym', 'F16'], device: 'cpu', weightsOnly: true } as const;
    const { rows: measured } = await request('sensitivity/run', { ...settings, cacheDir });
    expect(measured.map(({ tensor }) => tensor)).toEqual(shape.length < 2 ? [] : ['w.weight']);
    const choices = [{ tensor: 'w.weight', format: 'absmax-int8' }];
    const again = await request('tensor/quantize', {
      path,
      choices,
      out: join(folder, `${name} again.safetensors`),
    });
    expect(again.tensors[0]!.result.error.relativeError).toBeLessThan(1e-6);
    const { counts } = await request('model/compare', { path, other: again.out });
    expect(counts.equal + counts.different).toBe(1);
  });
});
