import { describe, expect, it } from 'vitest';
import { blockCodes } from '../../../src/analysis/blockCodes';
import { codePoints } from '../../../src/analysis/codePoints';
import { analyseStored } from '../../../src/analysis/stored';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { loadNative } from '../../../src/native';
import { ggmlFormats } from '../../../src/protocol/ggmlTypes';
import { formatById } from '../../../src/quant/catalogue';
import { temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';
import { Random } from '../../support/random';
import { decodeEncoded, encodeIn } from '../../../src/quant/codec';

const folder = temporaryFolder();
const [rows, columns] = [6, 512];
const types = ggmlFormats.filter(({ block }) => block > 1);

/** Weights with rows of different magnitudes, so that scales differ. */
const source = new Random(3).fill(rows * columns, (random) => random.normal());
for (let i = 0; i < source.length; i++) source[i]! *= 1 + Math.floor(i / columns);

async function write(type: string): Promise<string> {
  const { id } = types.find(({ name }) => name === type)!;
  const importance = new Float32Array(columns).fill(1);
  const { codes } = await encodeIn(formatById(type), source, columns, { min: NaN, max: NaN }, { importance });
  const header = new GgufBytes().start(3, 1, 0).tensor('w', [columns, rows], id, 0).data(0);
  return writeFile(folder, `${type}.gguf`, Buffer.concat([header, Buffer.from(codes)]));
}

async function withModel<T>(type: string, use: (model: Model) => Promise<T>): Promise<T> {
  const model = await openModel(await write(type));
  return use(model).finally(() => model.close());
}

describe('codes and scales of blocks', () => {
  it.each(types.map(({ name }) => name))(
    '%s decode to the weights, and are among the levels of the type',
    (type) =>
      withModel(type, async (model) => {
        const tensor = model.tensor('w');
        const codes = blockCodes(model, tensor);
        const levels = new Float32Array(rows * columns);
        const { count, scales, minimums, blocks } = await codes.read({ row: 0, rows }, levels);
        const known = new Set(await codes.levels());
        const size = columns / count;
        for await (const { values } of new TensorReader(model, tensor).values())
          values.forEach((value, i) => {
            const group = Math.floor(i / columns) * count + Math.floor((i % columns) / size);
            const weight = levels[i]! * scales[group]! + (minimums?.[group] ?? 0);
            const bound =
              2 ** -22 * (Math.abs(levels[i]! * scales[group]!) + Math.abs(minimums?.[group] ?? 0));
            expect(Math.abs(weight - value)).toBeLessThanOrEqual(bound);
            expect(known.has(levels[i]!)).toBe(true);
          });
        expect(blocks !== undefined).toBe(
          type.endsWith('_K') || (type.startsWith('IQ') && type !== 'IQ4_NL'),
        );
      }),
  );

  it('of a part of the rows are those of these rows', () =>
    withModel('Q4_K', async (model) => {
      const codes = blockCodes(model, model.tensor('w'));
      const [all, some] = [new Float32Array(rows * columns), new Float32Array(2 * columns)];
      const whole = await codes.read({ row: 0, rows }, all);
      const part = await codes.read({ row: 3, rows: 2 }, some);
      expect(some).toEqual(all.subarray(3 * columns, 5 * columns));
      expect(part.scales).toEqual(whole.scales.subarray(3 * 16, 5 * 16));
      expect(part.blocks!.minimums).toEqual(whole.blocks!.minimums!.subarray(3 * 2, 5 * 2));
    }));

  it.each([
    ['Q4_0', [-8, 7], 16],
    ['Q4_K', [0, 15], 16],
    ['Q6_K', [-32, 31], 64],
    ['Q8_0', [-128, 127], 256],
    ['IQ4_NL', [-127, 113], 16],
    ['MXFP4', [-6, 6], 15],
    ['TQ2_0', [-1, 1], 3],
    ['IQ3_S', [-15, 15], 16],
    ['IQ1_S', [-1.125, 1.125], 6],
  ])('%s has levels from %j, %s of them', (type, ends, count) => {
    const { levels } = loadNative().levelLayout(type);
    expect([levels[0], levels.at(-1)]).toEqual(ends);
    expect(levels).toHaveLength(count);
  });

  it('are refused for plain numbers, and blocks that are not whole', async () => {
    expect(() => loadNative().levelLayout('F16')).toThrow('F16 has no blocks of codes');
    const target = { levels: new Float32Array(32), scales: new Float32Array(1) };
    await expect(loadNative().readLevels('Q8_0', new Uint8Array(35), target)).rejects.toThrow(/not whole/);
  });
});

describe('how a tensor of a GGUF file is stored', () => {
  it('tells the parts of its blocks, which make up its size, and maps of scales, minimums and factors', () =>
    withModel('Q4_K', async (model) => {
      const stored = await analyseStored(model, model.tensor('w'));
      expect(stored.bitsPerWeight).toBe(4.5);
      expect(stored.parts.map(({ name, bytes }) => [name, bytes])).toEqual([
        ['d (factor of scales)', 24],
        ['dmin (factor of minimums)', 24],
        ['scales and minimums', 144],
        ['codes', 1536],
      ]);
      const { counts, saturated, scales, minimums, factors, zeros } = stored.codes!;
      expect(counts.reduce((sum, count) => sum + count, 0)).toBe(rows * columns);
      expect([saturated.lowest, saturated.highest]).toEqual([counts[0], counts[15]]);
      expect([scales.rows, scales.groups, minimums!.groups]).toEqual([6, 16, 16]);
      expect([factors!.scales.groups, factors!.minimums!.groups, zeros]).toEqual([2, 2, undefined]);
      expect(scales.values.at(-1)!).toBeGreaterThan(3 * scales.values[0]!); // the last row is six times as large
      expect(minimums!.max).toBeLessThanOrEqual(0);
      expect(factors!.minimums!.min).toBeGreaterThanOrEqual(0);
    }));

  it.each(types.map(({ name }) => name))('%s has parts of the size of its blocks', (type) =>
    withModel(type, async (model) => {
      const tensor = model.tensor('w');
      const { parts } = await analyseStored(model, tensor);
      expect(parts.reduce((sum, { bytes }) => sum + bytes, 0)).toBe(tensor.byteLength);
      expect(parts.length).toBeGreaterThan(1);
    }),
  );
});

describe('the values of a format', () => {
  const points = (format: string, type = 'Q8_0') =>
    withModel(type, (model) => codePoints(model, model.tensor('w'), formatById(format)));

  it('are all levels of a grid times the median scale', async () => {
    const { values, scale, groups, isSample } = await points('rowwise-int8');
    expect([groups, isSample, values.length]).toEqual([6, false, 255]);
    expect(values.map((value) => Math.round(value / scale))).toEqual(
      Array.from({ length: 255 }, (_, i) => i - 127),
    );
  });

  it('of a format with zero points or minimums are shifted by them', async () => {
    const { values } = await points('block-int4-asym');
    expect(values).toHaveLength(16);
    expect(values[0]!).toBeLessThan(0);
    const steps = values.slice(1).map((value, i) => value - values[i]!);
    expect(Math.max(...steps) / Math.min(...steps)).toBeCloseTo(1, 3);
  });

  it('of a type of GGUF are among those that it decodes to', async () => {
    const { values, scale, groups } = await points('Q4_K');
    expect([values.length, groups]).toEqual([16, 96]);
    const decoded = await withModel('Q8_0', async (model) => {
      const format = formatById('Q4_K');
      for await (const slab of new TensorReader(model, model.tensor('w')).values())
        return decodeEncoded(await encodeIn(format, slab.values, columns, { min: NaN, max: NaN }));
      return new Float32Array();
    });
    const near = (value: number): boolean => values.some((point) => Math.abs(point - value) < 1e-4 * scale);
    const inGroup = Array.from({ length: groups }, (_, group) =>
      decoded.subarray(32 * group, 32 * group + 32).every(near),
    );
    expect(inGroup).toContain(true);
  });

  it('are refused where there are none', async () => {
    await expect(points('F16')).rejects.toThrow(/F16 rounds each weight alone/);
    await expect(points('IQ2_XXS')).rejects.toThrow(/IQ2_XXS needs importance weights/);
  });
});
