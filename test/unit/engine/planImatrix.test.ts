import { cpSync, mkdirSync, readdirSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { makePlan, printPlan } from '../../../src/ampq/planFile';
import { TensorReader } from '../../../src/analysis/tensorReader';
import { ggufView } from '../../../src/architectures/ggufView';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { fileFrame } from '../../../src/exporter/fileFrame';
import { openModel } from '../../../src/layouts/openModel';
import { importanceOf, imatrixHash, readImatrix } from '../../../src/model/imatrix';
import type { Plan, SensitivityTable } from '../../../src/protocol/plan';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, sharedData, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
/** By llama-imatrix, for the matrices of all blocks and the output. */
const imatrix = join(sharedData, 'imatrix-sample', 'imatrix.gguf');
const formats = ['IQ2_XXS', 'IQ2_S', 'IQ3_S', 'Q4_K', 'Q6_K'];
const params = { path: sampleFolder, device: 'cpu', cacheDir, formats, weightsOnly: true } as const;

describe('formats that need importance weights', () => {
  it.each(['sensitivity/run', 'sensitivity/estimate'] as const)(
    'are refused without an importance matrix, before anything is measured (%s)',
    async (method) => {
      const empty = join(folder, 'empty');
      mkdirSync(empty, { recursive: true });
      const asked = { ...params, cacheDir: empty, formats: ['Q6_K', 'IQ2_XXS', 'IQ1_S'] };
      await expect(request(method, asked)).rejects.toThrow(
        'IQ2_XXS, IQ1_S need importance weights: an export would refuse a plan with them.',
      );
      expect(readdirSync(empty)).toEqual([]);
    },
  );
});

describe('a table made with an importance matrix', () => {
  let table: SensitivityTable;
  let plan: Plan;
  const planFile = (): string => writeFile(folder, 'plan.ampq.json', printPlan(plan));
  const preview = (more: object) =>
    request('export/preview', { path: sampleFolder, planFile: planFile(), ...more });

  beforeAll(async () => {
    table = await request('sensitivity/run', { ...params, imatrix });
    plan = makePlan(table, { kind: 'bits-per-weight', value: 3 });
  });

  it('names it, and gives a format that needs weights only to the tensors that have some', async () => {
    const { entries } = await readImatrix(imatrix);
    expect(table.imatrix).toEqual({ file: 'imatrix.gguf', hash: imatrixHash(await readImatrix(imatrix)) });
    const withFormat = table.rows
      .filter(({ cells }) => cells.some(({ format }) => format === 'IQ2_XXS'))
      .map(({ tensor }) => tensor);
    expect(withFormat).toEqual(table.rows.map(({ tensor }) => tensor).filter((name) => entries.has(name)));
    expect(withFormat).not.toContain('token_embd.weight');
    expect(withFormat).toHaveLength(43);
  });

  it.each(['IQ2_S', 'Q4_K'])('has the errors of the exported file, weighted, in %s', async (format) => {
    const tensor = 'blk.3.ffn_down.weight';
    const out = join(folder, `${format}.gguf`);
    const matrix = await readImatrix(imatrix);
    const source = await openModel(sampleFolder);
    await exportGguf(
      source,
      { type: 'Q8_0', tensorTypes: [{ pattern: 'ffn_down', type: format }], imatrix: matrix },
      out,
    );
    const written = await openModel(out);
    const [original] = (await ggufView(source)).tensors.filter(({ name }) => name === tensor);
    const [decoded] = (await ggufView(written)).tensors.filter(({ name }) => name === tensor);
    const weights = importanceOf(matrix, tensor, 768, 1)!;
    let [error, norm] = [0, 0];
    const readers = [new TensorReader(source, original!), new TensorReader(written, decoded!)] as const;
    const [before, after] = await Promise.all(readers.map(valuesOf));
    for (const [i, x] of before!.entries()) {
      error += weights[i % 768]! * (x - after![i]!) ** 2;
      norm += weights[i % 768]! * x ** 2;
    }
    await source.close();
    await written.close();
    const cell = table.rows
      .find((row) => row.tensor === tensor)!
      .cells.find((item) => item.format === format)!;
    expect(cell.relativeSquaredError / (error / norm)).toBeCloseTo(1, 9);
  });

  it('is kept for runs with the same matrix only', async () => {
    const stored = await request('sensitivity/stored', { path: sampleFolder, cacheDir, imatrix });
    expect(stored!.rows).toEqual(table.rows);
    expect(await request('sensitivity/stored', { path: sampleFolder, cacheDir })).toBeUndefined();
  });

  it('compares plans with file types that need a matrix', () => {
    expect(table.presets.map(({ fileType }) => fileType)).toEqual(
      expect.arrayContaining(['IQ2_M', 'Q4_K_M']),
    );
  });

  it('compares a plan for exactly the bytes of a preset with that preset, both as files with the matrix', async () => {
    const matrix = await readImatrix(imatrix);
    const out = join(folder, 'preset.gguf');
    const model = await openModel(sampleFolder);
    const written = await exportGguf(model, { type: 'IQ2_M', imatrix: matrix }, out);
    const frame = await fileFrame(model, { imatrix: matrix }).finally(() => model.close());
    const formats = [...new Set(written.tensors.flatMap(({ to }) => (to === 'F32' ? [] : [to])))];
    const measured = await request('sensitivity/run', { ...params, imatrix, formats });
    const { size } = statSync(out);
    const { preset, total } = makePlan(measured, { kind: 'bytes', value: size }, frame);
    expect(preset).toMatchObject({ fileType: 'IQ2_M', fileBytes: size });
    expect(total.fileBytes).toBeLessThanOrEqual(size);
    expect(total.roleError).toBeLessThanOrEqual(preset!.roleError);
    const below = makePlan(measured, { kind: 'bytes', value: size - 1 }, frame);
    expect(below.preset?.fileType).not.toBe('IQ2_M');
  });

  it('makes plans that are written with the same matrix and with no other', async () => {
    expect(plan.imatrix).toEqual(table.imatrix);
    expect(plan.assignments.some(({ format }) => format.startsWith('IQ2'))).toBe(true);
    const { tensors, warnings } = await preview({ imatrix });
    const types = new Map(tensors.map(({ name, to }) => [name, to]));
    for (const { tensor, format } of plan.assignments) expect(types.get(tensor), tensor).toBe(format);
    expect(warnings.filter((text) => text.includes('plan'))).toEqual([]);
    await expect(preview({})).rejects.toThrow(
      /^The plan was made with the importance matrix imatrix\.gguf \(/,
    );
    await expect(preview({ imatrix, excludeWeights: ['attn_q'] })).rejects.toThrow(
      /another, or not all of it/,
    );
  });

  it('is an error for a matrix of another model, and for a model that cannot be exported', async () => {
    const other = join(sharedData, 'imatrix', 'imatrix.dat');
    await expect(request('sensitivity/run', { ...params, imatrix: other })).rejects.toThrow(
      /The importance matrix has/,
    );
    const strange = join(folder, 'strange');
    mkdirSync(strange);
    cpSync(join(sampleFolder, 'model.safetensors'), join(strange, 'model.safetensors'));
    await expect(request('sensitivity/run', { ...params, path: strange, imatrix })).rejects.toThrow(
      /config\.json, which is missing/,
    );
  });
});

describe('a plan made without an importance matrix', () => {
  it('names the presets of at most its size that need one', async () => {
    const table = await request('sensitivity/run', { ...params, formats: ['Q2_K', 'Q4_K', 'Q6_K'] });
    const named = table.unmeasuredPresets!.map(({ fileType }) => fileType);
    expect(named).toEqual(expect.arrayContaining(['IQ1_S', 'IQ2_M', 'IQ3_XXS', 'Q2_K_S']));
    for (const fileType of named) {
      const preview = await request('export/preview', { path: sampleFolder, type: fileType, imatrix });
      const own = table.unmeasuredPresets!.find((item) => item.fileType === fileType)!;
      expect(own.bytes + table.fixedBytes, fileType).toBe(preview.dataBytes);
    }
    const { notes } = makePlan(table, { kind: 'bits-per-weight', value: 3 });
    expect(notes).toContainEqual(expect.stringMatching(/not compared with.* IQ2_M/));
  });

  it('can be written with one, with a warning', async () => {
    const table = await request('sensitivity/run', { ...params, formats: ['Q4_K', 'Q6_K'] });
    const plan = makePlan(table, { kind: 'bits-per-weight', value: 5 });
    const planFile = writeFile(folder, 'plain.ampq.json', printPlan(plan));
    const { warnings } = await request('export/preview', { path: sampleFolder, planFile, imatrix });
    expect(warnings).toContain(
      'The plan was made without an importance matrix: its types and figures are those of weights that are encoded without one.',
    );
  });
});

async function valuesOf(reader: TensorReader): Promise<Float32Array> {
  const values = new Float32Array(reader.elements);
  for await (const slab of reader.values()) values.set(slab.values, slab.firstWeight);
  return values;
}
