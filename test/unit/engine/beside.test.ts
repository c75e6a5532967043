import { cpSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { manifestPath } from '../../../src/files/digests/manifest';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder, writeFile } from '../../support/files';
import { planFor } from '../../support/plans';

const cacheDir = temporaryFolder();
const evaluationDir = temporaryFolder();
const { request, evaluate } = engineJobs(evaluationDir);

const folder = temporaryFolder();
cpSync(sampleFolder, folder, { recursive: true });
const path = join(folder, 'model.safetensors');
const elsewhere = join(temporaryFolder(), 'elsewhere');
mkdirSync(elsewhere);
const beside = (among: readonly string[] = []) =>
  request('model/beside', { path, cacheDir, evaluationDir, among });

describe('what was made from a model', () => {
  it('is nothing at first', async () => {
    expect(await beside()).toEqual({ plans: [], evaluations: [], made: [] });
  });

  it('are the files that name it as their origin, in its folder and among others', async () => {
    const outs = [join(folder, 'a.gguf'), join(elsewhere, 'b.gguf'), join(folder, 'c.gguf')];
    const [inFolder, other, second] = outs as [string, string, string];
    for (const [out, type] of [
      [inFolder, 'Q4_0'],
      [other, 'Q8_0'],
    ] as const)
      await request('export/gguf', { path, out, type });
    await request('export/gguf', { path: inFolder, out: second, type: 'Q8_0', allowRequantize: true });
    const made = [{ file: inFolder, action: 'gguf' }];
    expect((await beside()).made).toEqual(made);
    const both = await beside([other, second, join(elsewhere, 'no-such.gguf')]);
    expect(both.made).toEqual([...made, { file: other, action: 'gguf' }].sort(byFile));
    const ofExport = await request('model/beside', { path: inFolder, cacheDir, evaluationDir, among: [] });
    expect(ofExport.made).toEqual([{ file: second, action: 'gguf' }]);
  });

  it('leaves out a file whose digests were edited', async () => {
    const digests = manifestPath(join(folder, 'a.gguf'));
    const text = readFileSync(digests, 'utf8');
    writeFileSync(digests, text.replace('"gguf"', '"onnx"'));
    expect((await beside()).made).toEqual([]);
    writeFileSync(digests, text);
  });

  it('are its plans, without those of other models', async () => {
    const plan = await planFor(path, { 'output.weight': 'Q8_0' });
    const file = writeFile(folder, 'own.ampq.json', printPlan(plan));
    writeFile(folder, 'other.ampq.json', printPlan({ ...plan, model: { ...plan.model, hash: 'other' } }));
    expect((await beside()).plans).toEqual([{ file, total: plan.total, rung: 'weights' }]);
  });

  it('are evaluations and measurements, by what names them', async () => {
    const text = join(folder, 'generated-eval.txt');
    const { id, at } = await evaluate({ path, text, type: 'Q4_0', windows: 1 });
    await request('sensitivity/run', { path, cacheDir, device: 'cpu', formats: ['Q8_0'], weightsOnly: true });
    const { evaluations, measurements } = await beside();
    const [kept, ...others] = evaluations;
    expect(others).toEqual([]);
    expect(kept).toMatchObject({ id, at, variant: 'Q4_0', text });
    expect(kept!.perplexity).toBeGreaterThan(1);
    expect(kept!.divergence).toBeGreaterThan(0);
    expect(measurements).toEqual({ tensors: 44 });
    const elsewhereKept = { path, cacheDir: elsewhere, evaluationDir: elsewhere, among: [] };
    const other = await request('model/beside', elsewhereKept);
    expect([other.measurements, other.evaluations]).toEqual([undefined, []]);
  });

  it('is asked for with absolute paths', async () => {
    const params = { path, cacheDir, evaluationDir, among: ['b.gguf'] };
    await expect(request('model/beside', params)).rejects.toThrow('"among"');
  });
});

const byFile = (a: { file: string }, b: { file: string }): number => (a.file < b.file ? -1 : 1);
