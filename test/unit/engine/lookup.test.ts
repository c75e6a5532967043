import { cpSync, mkdirSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { printPlan } from '../../../src/ampq/planFile';
import { engineJobs } from '../../support/engineJobs';
import {
  safetensorsBytes,
  sampleFolder,
  sampleWeights,
  temporaryFolder,
  writeFile,
} from '../../support/files';
import { planFor } from '../../support/plans';

const cacheDir = temporaryFolder();
const { request } = engineJobs(cacheDir);
const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
const weights = (name: string): Buffer => safetensorsBytes({ [name]: tensor }, 8);
const shard = (i: number): string => `model-0000${i}-of-00002.safetensors`;

/** A folder of two shards. */
function shardedFolder(name: string, withIndex: boolean): string {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder);
  writeFile(folder, shard(1), weights('a'));
  writeFile(folder, shard(2), weights('b'));
  const index = { weight_map: { a: shard(1), b: shard(2) } };
  if (withIndex) writeFile(folder, 'model.safetensors.index.json', JSON.stringify(index));
  return folder;
}

describe('models that paths lead to', () => {
  it.each([true, false])('are one for folder, shards and index (index: %s)', async (withIndex) => {
    const folder = shardedFolder('Llama-3.1-8B', withIndex);
    const file = join(folder, withIndex ? 'model.safetensors.index.json' : shard(1));
    for (const path of [folder, join(folder, shard(1)), join(folder, shard(2)), file]) {
      const [model, ...others] = await request('model/locate', { paths: [path] });
      expect(others).toEqual([]);
      expect(model).toEqual({
        ...{ file, folder, name: 'Llama-3.1-8B' },
        files: [join(folder, shard(1)), join(folder, shard(2))],
      });
    }
    const paths = [join(folder, shard(2)), sampleWeights, join(folder, shard(1)), file];
    expect((await request('model/locate', { paths })).map((model) => model.file)).toEqual([
      file,
      sampleWeights,
    ]);
  });

  it('are one for a file and an index of that file alone', async () => {
    const folder = temporaryFolder();
    const file = writeFile(folder, 'model.safetensors', weights('a'));
    const index = JSON.stringify({ weight_map: { a: 'model.safetensors' } });
    const paths = [writeFile(folder, 'model.safetensors.index.json', index), file, folder];
    expect((await request('model/locate', { paths })).map((model) => model.file)).toEqual([file]);
  });

  it('stand for the first shard that is present', async () => {
    const folder = shardedFolder('m', false);
    rmSync(join(folder, shard(1)));
    const [model] = await request('model/locate', { paths: [folder] });
    expect(model!.file).toBe(join(folder, shard(2)));
  });

  it('are none for a file that is not a model', async () => {
    const folder = temporaryFolder();
    const paths = [join(folder, 'missing.gguf'), writeFile(folder, 'x.index.json', '[]'), folder];
    expect(await request('model/locate', { paths })).toEqual([]);
  });
});

describe('what is known about a tensor', () => {
  it('is nothing before anything was measured', async () => {
    const params = { path: sampleFolder, tensor: 'lm_head.weight', cacheDir };
    expect(await request('tensor/suggestion', params)).toEqual({});
  });

  it('is the row of the table that was stored', async () => {
    await request('sensitivity/run', {
      path: sampleFolder,
      device: 'cpu',
      cacheDir,
      formats: ['Q4_K'],
      weightsOnly: true,
    });
    const { row } = await request('tensor/suggestion', {
      path: sampleFolder,
      tensor: 'lm_head.weight',
      cacheDir,
    });
    expect(row!.cells.map(({ format }) => format)).toEqual(['Q4_K']);
    expect(row!.sources).toEqual(['lm_head.weight']);
  });

  it('is that of the importance matrix that is asked for', async () => {
    const params = { path: sampleFolder, tensor: 'lm_head.weight', cacheDir, imatrix: '/none.gguf' };
    await expect(request('tensor/suggestion', params)).rejects.toThrow(/none\.gguf/);
  });
});

describe('the plan next to a model', () => {
  it('is the first one that is for it, with its sizes; unusable ones before it are named', async () => {
    const folder = temporaryFolder();
    cpSync(sampleFolder, folder, { recursive: true });
    const path = join(folder, 'model.safetensors');
    expect(await request('plan/beside', { path })).toEqual({ problems: [] });
    const plan = await planFor(path, { 'output.weight': 'Q8_0' });
    const write = (name: string, text: string): string => writeFile(folder, `${name}.ampq.json`, text);
    const torn = write('a', '{');
    write('b', printPlan({ ...plan, model: { ...plan.model, hash: 'of another model' } }));
    const wrong = write('c', printPlan(plan).replace('"Q8_0"', '"Q9_K"'));
    const right = write('d', printPlan({ ...plan, total: { ...plan.total, bytes: 1 } }));
    const first = await request('plan/beside', { path });
    expect([first.found!.file, first.found!.plan.total.bytes]).toEqual([right, plan.total.bytes]);
    for (const [i, file] of [torn, wrong].entries()) expect(first.problems[i]).toContain(`(${file}`);
    expect(first.problems).toHaveLength(2);
    const suggestion = await request('tensor/suggestion', { path, tensor: 'output.weight', cacheDir });
    expect(suggestion.assignment!.format).toBe('Q8_0');
    const again = await request('plan/beside', { path, planFile: right });
    expect(again.found).toMatchObject({ file: right, plan: { total: plan.total } });
    const { problems } = await request('plan/beside', { path, planFile: wrong });
    expect(problems).toEqual([first.problems[1]]);
    expect(await request('plan/list', { path })).toEqual([
      { file: right, total: plan.total, rung: 'weights' },
    ]);
    const other = write('e', printPlan({ ...plan, notes: ['another'] }));
    expect((await request('plan/list', { path })).map(({ file }) => file)).toEqual([right, other]);
  });
});
