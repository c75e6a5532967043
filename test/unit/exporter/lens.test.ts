import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { ErrorMapMeter } from '../../../src/analysis/errorMap';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import { isHeld, withHeld } from '../../../src/exporter/layer/heldTensor';
import { layerTarget } from '../../../src/exporter/layer/layerTarget';
import { tensorLens } from '../../../src/exporter/layer/lens';
import { measureTogether, roundsAlone } from '../../../src/exporter/layer/lensRows';
import { lensGrids, usualRecipes } from '../../../src/exporter/layer/lensRecipes';
import { writeSafetensors } from '../../../src/exporter/writeSafetensors';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import type { EngineProgress } from '../../../src/protocol/engine';
import type { LensRecipe, LensRow, TensorLens } from '../../../src/protocol/lens';
import { decisiveError, paretoFront } from '../../../src/protocol/pareto';
import { formatById } from '../../../src/quant/catalogue';
import { methodById } from '../../../src/quant/methods/methods';
import { rtn } from '../../../src/quant/methods/rtn';
import { sampleFolder, safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const tensor = 'model.layers.2.mlp.down_proj.weight';
const { signal } = new AbortController();
const by = (method: string, ...grids: string[]): LensRecipe[] => grids.map((grid) => ({ grid, method }));

/** The sample by some recipes, and what was reported on the way. */
async function lensOf(
  recipes: readonly LensRecipe[],
  cacheDir?: string,
): Promise<{ lens: TensorLens; reports: EngineProgress[] }> {
  const models = new OpenModels();
  const reports: EngineProgress[] = [];
  try {
    const lens = await createJobs(models)['tensor/lens'](
      { path: sampleFolder, tensor, recipes, ...(cacheDir === undefined ? {} : { cacheDir }) },
      { signal, progress: (report) => reports.push(report) },
    );
    return { lens, reports };
  } finally {
    await models.close();
  }
}

const rowOf = ({ rows }: TensorLens, grid: string, method: string): LensRow =>
  rows.find((row) => row.grid === grid && row.method === method)!;

/** A model that counts the bytes that are read of one tensor. */
function counted(model: Model): { model: Model; bytes: () => number } {
  let bytes = 0;
  const readInto: Model['readInto'] = (of, offset, target, abort) => {
    bytes += target.length;
    return model.readInto(of, offset, target, abort);
  };
  const read: Model['read'] = async (of, offset, length, abort) => {
    const target = new Uint8Array(length);
    await readInto(of, offset, target, abort);
    return target;
  };
  return { model: { ...model, readInto, read }, bytes: () => bytes };
}

describe('the lens of a tensor', () => {
  it('has exact sizes, and errors that fall with bits and smaller groups', async () => {
    const { lens } = await lensOf(by('rtn', 'int8-row', 'int4-g32', 'int4-g128', 'int2-g32', 'Q4_K'));
    const results = lens.rows.map(({ result }) => result!);
    expect(results.map(({ bitsPerWeight }) => Number(bitsPerWeight.toFixed(3)))).toEqual(
      [8 + 16 / 768, 4.5, 4.125, 2.5, 4.5].map((bits) => Number(bits.toFixed(3))),
    );
    const [int8, fine, coarse, int2, q4k] = results.map(({ error }) => error.relativeError) as [
      ...[number, number, number, number, number],
    ];
    expect(int8).toBeLessThan(0.01);
    expect(fine).toBeGreaterThan(int8);
    expect(coarse).toBeGreaterThan(fine);
    expect(int2).toBeGreaterThan(coarse);
    expect(q4k).toBeLessThan(coarse);
    for (const { evidence, outputError, histogram } of results) {
      expect([evidence, outputError]).toEqual(['none', undefined]);
      expect(histogram.counts.reduce((sum, count) => sum + count, 0)).toBe(256 * 768);
    }
  });

  it('reports what rows share, and each row once it is measured, in the order of the request', async () => {
    const recipes = [...by('rtn', 'Q4_K', 'nf4-b64'), ...by('gptq', 'Q4_K'), ...by('ecb', 'int4-g32')];
    const { lens, reports } = await lensOf(recipes);
    expect(reports.find((report) => report.lens)!.lens).toMatchObject({
      facts: { tensor, sourceBytes: 256 * 768 * 2 },
      rows: [],
    });
    const reported = reports.flatMap((report) => report.lens?.rows ?? []);
    // What cannot be measured is known first.
    const order = [lens.rows[2], lens.rows[0], lens.rows[1], lens.rows[3]];
    expect(reported).toEqual(order);
    expect(lens.rows.map(({ grid, method }) => ({ grid, method }))).toEqual(recipes);
    expect(lens.rows[2]).toEqual({ grid: 'Q4_K', method: 'gptq', missing: 'hessian' });
  });

  it('says which evidence is missing, and why a method does not take the tensor, instead of replacing it', async () => {
    const model = await openModel(sampleFolder);
    const target = layerTarget('int4');
    const needy = { ...rtn, id: 'needy', evidence: 'hessian' as const };
    const picky = { ...rtn, id: 'picky', refuse: () => 'Never.' };
    const lens = await tensorLens(
      model,
      model.tensor(tensor),
      [rtn, needy, picky].map((method) => ({ target, method })),
    );
    await model.close();
    expect(lens.evidence).toBeUndefined();
    expect(lens.rows.map(({ method, result, ...why }) => [method, result !== undefined, why])).toEqual([
      ['rtn', true, { grid: 'int4-row' }],
      ['needy', false, { grid: 'int4-row', missing: 'hessian' }],
      ['picky', false, { grid: 'int4-row', refused: 'Never.' }],
    ]);
  });

  it('has the error of outputs once the model was calibrated, by every method', async () => {
    const cacheDir = temporaryFolder();
    const models = new OpenModels();
    await createJobs(models)['evidence/run'](
      {
        ...{ path: sampleFolder, cacheDir, text: join(sampleFolder, 'generated-calibration.txt') },
        ...{ needs: ['hessian', 'activations'], device: 'cpu', tokens: 1024, context: 256 },
      },
      { signal, progress: () => undefined },
    );
    await models.close();
    const recipes = [...by('rtn', 'int3-g32', 'Q3_K'), ...by('gptq', 'int3-g32', 'Q3_K')];
    const { lens } = await lensOf(recipes, cacheDir);
    expect(lens.evidence).toMatchObject({ tokens: 1024, kinds: ['importance', 'hessian', 'activations'] });
    for (const grid of ['int3-g32', 'Q3_K']) {
      const [rounding, gptq] = ['rtn', 'gptq'].map((method) => rowOf(lens, grid, method).result!) as [
        ...[NonNullable<LensRow['result']>, NonNullable<LensRow['result']>],
      ];
      expect(rounding.outputError!).toBeGreaterThan(0);
      expect(Math.sqrt(rounding.outputError!)).toBeLessThan(2 * rounding.error.relativeError);
      expect(gptq.outputError!).toBeLessThan(rounding.outputError!);
      expect(gptq.error.relativeError).toBeGreaterThan(rounding.error.relativeError);
      expect(gptq.evidence).toBe('hessian');
    }
    // With outputs, weights are decoded and measured one by one; without, the addon does both at once.
    const { lens: alone } = await lensOf(by('rtn', 'int3-g32', 'Q3_K'));
    for (const { grid, result } of alone.rows) {
      const { error, histogram } = rowOf(lens, grid, 'rtn').result!;
      expect(error.mse).toBeCloseTo(result!.error.mse, 12);
      expect(histogram).toEqual(result!.histogram);
    }
  });

  it('reads the tensor once, whatever the recipes', async () => {
    const opened = await openModel(sampleFolder);
    const { model, bytes } = counted(opened);
    const of = model.tensor(tensor);
    expect(isHeld(of)).toBe(true);
    expect(isHeld({ ...of, byteLength: 2 ** 27 + 1 })).toBe(false);
    expect(withHeld(model, { ...of, byteLength: 2 ** 27 + 1 })).toBe(model);
    const choices = [...by('rtn', 'Q4_K', 'nf4-b64-dq', 'int4-g32'), ...by('ecb', 'int4-g32')];
    await tensorLens(
      model,
      of,
      choices.map(({ grid, method }) => ({ target: layerTarget(grid), method: methodById(method) })),
    );
    expect(bytes()).toBe(of.byteLength);
    await opened.close();
  });

  it('reads a tensor that is too large to be held once for all roundings, with rows of what is read so far', async () => {
    const [rows, columns] = [3072, 1024];
    const folder = temporaryFolder();
    const bytes = new Uint8Array(Float32Array.from({ length: rows * columns }, (_, i) => Math.sin(i)).buffer);
    const matrix = { name: 'w', dtype: 'F32', shape: [rows, columns], data: () => [bytes] };
    await writeSafetensors(join(folder, 'model.safetensors'), [matrix], {});
    const opened = await openModel(folder);
    const { model, bytes: read } = counted(opened);
    const of = model.tensor('w');
    const choices = by('rtn', 'Q8_0', 'int4-g32').map(({ grid, method }) => ({
      ...{ target: layerTarget(grid), method: methodById(method) },
    }));
    const whole = await tensorLens(opened, of, choices);
    const reader = new TensorReader(model, of, { holds: false });
    const { min, max } = whole.histogram;
    const found: Omit<LensRow, keyof LensRecipe>[][] = [[], []];
    const recipes = choices.map((choice, i) => ({
      work: {
        ...{ model, tensor: of, ...choice, options: {}, reader, range: { min, max } },
        ...{ bins: whole.histogram.counts.length, sampled: undefined },
      },
      onRow: (row: Omit<LensRow, keyof LensRecipe>) => found[i]!.push(row),
    }));
    expect(recipes.every(({ work }) => roundsAlone(work))).toBe(true);
    await measureTogether(recipes, reader, {});
    expect(read()).toBe(of.byteLength);
    found.forEach((reported, i) => {
      expect(reported.map(({ share }) => share)).toEqual([2 / 3, undefined]);
      const { seconds } = reported[1]!.result!;
      expect(reported[1]!.result).toEqual({ ...whole.rows[i]!.result!, seconds });
    });
    await opened.close();
  });

  it('keeps rows by the content of the model, and measures only what is new', async () => {
    const models = new OpenModels();
    const jobs = createJobs(models);
    const seconds = async (options: Record<string, Record<string, number>> = {}): Promise<number[]> => {
      const { rows } = await jobs['tensor/lens'](
        { path: sampleFolder, tensor, recipes: [...by('rtn', 'Q4_0'), ...by('ecb', 'int4-g32')], options },
        { signal, progress: () => undefined },
      );
      return rows.map(({ result }) => result!.seconds);
    };
    const first = await seconds();
    await models.close(); // the model is opened again
    expect(await seconds()).toEqual(first);
    const [rounded, clipped] = await seconds({ ecb: { steps: 8 } });
    expect(rounded).toBe(first[0]);
    expect(clipped).not.toBe(first[1]);
    await models.close();
  });

  it('maps where a recipe changes the weights', async () => {
    const models = new OpenModels();
    const map = await createJobs(models)['tensor/errorMap'](
      { path: sampleFolder, tensor, grid: 'int2-g32', method: 'rtn' },
      { signal, progress: () => undefined },
    );
    await models.close();
    expect(map).toMatchObject({ rows: 256, columns: 768, mapRows: 128, mapColumns: 128 });
    const { lens } = await lensOf(by('rtn', 'int2-g32'));
    const mean = map.values.reduce((sum, rms) => sum + rms * rms, 0) / map.values.length;
    expect(mean).toBeCloseTo(lens.rows[0]!.result!.error.mse, 9);
    const meter = new ErrorMapMeter({ rows: 2, columns: 2 });
    meter.add(Float32Array.of(1, 2, 3, 4), Float32Array.of(1, 0, 3, 5));
    expect(meter.finish().values).toEqual([0, 2, 0, 1]);
  });

  it('takes vectors where rounding does, and names what it cannot take', async () => {
    const folder = temporaryFolder();
    const header = { norm: { dtype: 'F32', shape: [64], data_offsets: [0, 256] } };
    writeFile(folder, 'model.safetensors', safetensorsBytes(header, 256));
    const models = new OpenModels();
    const ask = (recipes: readonly LensRecipe[], options = {}) =>
      (async () =>
        createJobs(models)['tensor/lens'](
          { path: folder, tensor: 'norm', recipes, options },
          { signal, progress: () => undefined },
        ))();
    const { rows } = await ask([...by('rtn', 'Q8_0', 'Q4_K'), ...by('ecb', 'int8-g32')]);
    expect(rows[0]!.result!.bitsPerWeight).toBe(8.5);
    expect(rows.slice(1).map(({ refused }) => refused)).toEqual([
      'Q4_K needs rows whose length is a multiple of 256; these have 64 weights.',
      'ECB quantizes matrices.',
    ]);
    await expect(ask(by('rtn', 'int44'))).rejects.toThrow('"int44" is not a grid');
    await expect(ask(by('rtm', 'int4'))).rejects.toThrow('There is no method "rtm"');
    await expect(ask(by('rtn', 'int4'), { gtpq: {} })).rejects.toThrow('There is no method "gtpq"');
    await expect(ask([])).rejects.toThrow('a valid recipes is needed');
    await models.close();
  });
});

describe('recipes of a lens', () => {
  it('begin with about forty usual ones, which are all known, K types first', () => {
    const grids = new Map(lensGrids().map((grid) => [grid.name, grid]));
    const usual = usualRecipes();
    expect(usual.length).toBeGreaterThanOrEqual(35);
    expect(usual.length).toBeLessThanOrEqual(50);
    expect(usual.slice(0, 3).map(({ grid }) => grid)).toEqual(['Q4_K', 'Q6_K', 'Q5_K']);
    for (const { grid, method } of usual) expect(grids.get(grid)?.methods, grid).toContain(method);
    expect(new Set(usual.map(({ grid, method }) => `${grid} ${method}`)).size).toBe(usual.length);
  });

  it('name every grid so that the name leads to it again', () => {
    const names = lensGrids().map(({ name }) => name);
    expect(new Set(names.map((name) => name.toLowerCase())).size).toBe(names.length);
    for (const name of names) expect(layerTarget(name).name).toBe(name);
    expect(layerTarget('e2m1-g32-e8m0')).toMatchObject({ name: 'e2m1-g32-e8m0', grid: { group: 32 } });
    expect(layerTarget('mxfp4')).toMatchObject({ name: 'MXFP4', type: 'MXFP4' });
  });

  it('state the bits of grids as the catalogue does, where zero points are not packed', () => {
    for (const { name, bitsPerWeight, family } of lensGrids())
      if (family === 'gguf') expect(bitsPerWeight).toBe(formatById(name).nominalBitsPerWeight);
    expect(lensGrids().find(({ name }) => name === 'uint4-g128-zp')!.bitsPerWeight).toBe(4 + (16 + 4) / 128);
  });

  it('are on the front where none with as few bits has a smaller error', async () => {
    const { lens } = await lensOf(by('rtn', 'Q8_0', 'int8-row', 'Q4_K', 'Q4_0', 'Q4_1', 'int2-g32'));
    const front = paretoFront(lens.rows);
    expect(front.map(({ grid }) => grid)).toEqual(['int2-g32', 'Q4_K', 'int8-row', 'Q8_0']);
    for (const row of lens.rows) {
      const isBeaten = lens.rows.some(
        ({ result }) =>
          result!.bitsPerWeight <= row.result!.bitsPerWeight &&
          decisiveError(result!) < decisiveError(row.result!),
      );
      expect(front.includes(row)).toBe(!isBeaten);
    }
  });
});
