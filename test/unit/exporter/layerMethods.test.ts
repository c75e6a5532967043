import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { compareMethods } from '../../../src/exporter/layer/compareMethods';
import { layerTarget } from '../../../src/exporter/layer/layerTarget';
import { openModel } from '../../../src/layouts/openModel';
import { rtn } from '../../../src/quant/methods/rtn';
import { createJobs } from '../../../src/engine/jobs';
import { OpenModels } from '../../../src/engine/models';
import type { MethodRow } from '../../../src/protocol/methods';
import { sampleFolder, safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const tensor = 'model.layers.2.mlp.down_proj.weight';
const context = { signal: new AbortController().signal, progress: () => undefined };

/** The sample in some grids by all methods. */
async function rowsOf(grids: readonly string[], cacheDir?: string): Promise<MethodRow[]> {
  const models = new OpenModels();
  const jobs = createJobs(models);
  try {
    const rows: MethodRow[] = [];
    for (const grid of grids) {
      const params = { path: sampleFolder, tensor, grid, ...(cacheDir === undefined ? {} : { cacheDir }) };
      rows.push(await jobs['tensor/methods'](params, context));
    }
    return rows;
  } finally {
    await models.close();
  }
}

const errorOf = (row: MethodRow, method: string): number =>
  row.cells.find((cell) => cell.method === method)!.result!.error.relativeError;

describe('a layer in grids by methods', () => {
  it('has exact sizes, and errors that fall with bits and smaller groups', async () => {
    const rows = await rowsOf(['int8-row', 'int4-g32', 'int4-g128', 'int2-g32', 'Q4_K']);
    const results = rows.map(({ cells }) => cells.find(({ method }) => method === 'rtn')!.result!);
    expect(results.map(({ bitsPerWeight }) => Number(bitsPerWeight.toFixed(3)))).toEqual([
      ...[8 + 16 / 768, 4.5, 4.125, 2.5, 4.5].map((bits) => Number(bits.toFixed(3))),
    ]);
    const [int8, fine, coarse, int2, q4k] = rows.map((row) => errorOf(row, 'rtn')) as [
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

  it('says which evidence is missing instead of replacing the method', async () => {
    const needy = { ...rtn, id: 'needy', evidence: 'hessian' as const };
    const model = await openModel(sampleFolder);
    const { cells, evidence } = await compareMethods(model, model.tensor(tensor), layerTarget('int4'), [
      ...[rtn, needy, { ...rtn, id: 'picky', refuse: () => 'Never.' }],
    ]);
    await model.close();
    expect(evidence).toBeUndefined();
    expect(cells.map(({ method, result, ...why }) => [method, result !== undefined, why])).toEqual([
      ['rtn', true, {}],
      ['needy', false, { missing: 'hessian' }],
      ['picky', false, { refused: 'Never.' }],
    ]);
  });

  it('has the error of outputs once the model was calibrated', async () => {
    const cacheDir = temporaryFolder();
    const models = new OpenModels();
    const jobs = createJobs(models);
    await jobs['evidence/run'](
      {
        ...{ path: sampleFolder, cacheDir, text: join(sampleFolder, 'generated-calibration.txt') },
        ...{ needs: ['hessian', 'activations'], device: 'cpu', tokens: 1024, context: 256 },
      },
      context,
    );
    await models.close();
    const [row] = await rowsOf(['int3-g32'], cacheDir);
    expect(row!.evidence).toMatchObject({ tokens: 1024, kinds: ['importance', 'hessian', 'activations'] });
    const results = new Map(row!.cells.map(({ method, result }) => [method, result]));
    const rounding = results.get('rtn')!;
    expect(rounding.outputError!).toBeGreaterThan(0);
    expect(Math.sqrt(rounding.outputError!)).toBeLessThan(2 * rounding.error.relativeError);
    const gptq = results.get('gptq')!;
    expect(gptq.outputError!).toBeLessThan(rounding.outputError!);
    expect(gptq.error.relativeError).toBeGreaterThan(rounding.error.relativeError);
    expect(gptq.evidence).toBe('hessian');
  });

  it('is only made of matrices, in grids that exist', async () => {
    const folder = temporaryFolder();
    const header = { norm: { dtype: 'F32', shape: [4], data_offsets: [0, 16] } };
    writeFile(folder, 'model.safetensors', safetensorsBytes(header, 16));
    const models = new OpenModels();
    const jobs = createJobs(models);
    const ask = (params: { tensor: string; grid: string }) =>
      (async () => jobs['tensor/methods']({ path: folder, ...params }, context))();
    await expect(ask({ tensor: 'norm', grid: 'int4' })).rejects.toThrow('this tensor is not one');
    await expect(ask({ tensor: 'norm', grid: 'int44' })).rejects.toThrow('"int44" is not a grid');
    await models.close();
  });
});
