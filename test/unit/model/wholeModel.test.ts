import { mkdirSync, rmSync, symlinkSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../../src/layouts/openModel';
import type { ModelDescription } from '../../../src/protocol/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

const tensor = { dtype: 'F32', shape: [2], data_offsets: [0, 8] };
const weights = (name: string): Buffer => safetensorsBytes({ [name]: tensor }, 8);
const shard = (i: number): string => `model-0000${i}-of-00003.safetensors`;
const gguf = new GgufBytes().start(3, 1, 0).tensor('g', [8], 0, 0).data(32);

async function describeModel(path: string, alone = false): Promise<ModelDescription> {
  const model = await openModel({ path, alone });
  await model.close();
  return model.description;
}

/** A folder `name` that holds files of one tensor each, named after the file's content. */
function folderOf(name: string, files: Readonly<Record<string, Buffer | string>>): string {
  const folder = join(temporaryFolder(), name);
  mkdirSync(folder, { recursive: true });
  for (const [file, bytes] of Object.entries(files)) writeFile(folder, file, bytes);
  return folder;
}

const indexOf = (map: Readonly<Record<string, string>>): string => JSON.stringify({ weight_map: map });
const names = ({ tensors }: ModelDescription): string[] => tensors.map(({ name }) => name);

const sharded = {
  ...{ [shard(1)]: weights('a'), [shard(2)]: weights('b'), [shard(3)]: weights('c') },
  'model.safetensors.index.json': indexOf({ a: shard(1), b: shard(2), c: shard(3) }),
};

describe('a model of several files', () => {
  it('opens whole from its folder, its index and each of its shards', async () => {
    const folder = folderOf('Llama-3.1-8B', sharded);
    for (const path of [folder, join(folder, 'model.safetensors.index.json'), join(folder, shard(2))]) {
      const model = await describeModel(path);
      expect(names(model)).toEqual(['a', 'b', 'c']);
      expect(model).toMatchObject({
        ...{ path, folder, name: 'Llama-3.1-8B', parameters: 6, missingFiles: [] },
        weightFiles: { present: 3, total: 3 },
      });
    }
  });

  it('says which of its files was opened', async () => {
    const folder = folderOf('m', sharded);
    expect((await describeModel(folder)).part).toBeUndefined();
    const part = { file: shard(2), number: 2, count: 3 };
    expect((await describeModel(join(folder, shard(2)))).part).toEqual({ ...part, alone: false });
    const alone = await describeModel(join(folder, shard(2)), true);
    expect(alone.part).toEqual({ ...part, alone: true });
    expect(names(alone)).toEqual(['b']);
  });

  it('says how many shards are present and counts only those', async () => {
    const folder = folderOf('m', sharded);
    rmSync(join(folder, shard(3)));
    const model = await describeModel(join(folder, shard(1)));
    expect(model).toMatchObject({
      ...{ weightFiles: { present: 2, total: 3 }, missingFiles: [shard(3)], parameters: 4 },
      warnings: [`2 of 3 shards are present; parameters and sizes count only those. Missing: ${shard(3)}.`],
    });
    expect(model.tensors.find(({ name }) => name === 'c')).toMatchObject({ readable: false });
  });

  it('treats a shard that has not been fetched yet as missing, and says what it is', async () => {
    const pointer = 'version https://git-lfs.github.com/spec/v1\noid sha256:00\nsize 1\n';
    const model = await describeModel(folderOf('m', { ...sharded, [shard(2)]: pointer }));
    expect(model.missingFiles).toEqual([shard(2)]);
    expect(model.warnings[0]).toContain('Git LFS pointer');
  });

  it('groups numbered shards that no index names, missing ones included', async () => {
    const folder = folderOf('m', sharded);
    for (const file of [shard(2), 'model.safetensors.index.json']) rmSync(join(folder, file));
    for (const path of [folder, join(folder, shard(3))]) {
      const model = await describeModel(path);
      expect(names(model)).toEqual(['a', 'c']);
      expect(model.missingFiles).toEqual([shard(2)]);
    }
  });

  it('lists an index alone', async () => {
    const index = { 'model.safetensors.index.json': sharded['model.safetensors.index.json'] };
    const model = await describeModel(folderOf('m', index));
    expect(model).toMatchObject({ weightFiles: { present: 0, total: 3 }, parameters: 0 });
    expect(names(model)).toEqual(['a', 'b', 'c']);
  });
});

describe('the choice of weight files in a folder', () => {
  const consolidated = 'consolidated.safetensors';
  const cases: [string, Readonly<Record<string, Buffer | string>>, string[], RegExp | undefined][] = [
    [
      'prefers model to consolidated',
      { ...sharded, [consolidated]: weights('z') },
      ['a', 'b', 'c'],
      /model\.safetensors\.index\.json was chosen over consolidated\.safetensors/,
    ],
    [
      'falls back from an index whose shards are absent',
      {
        'model.safetensors.index.json': sharded['model.safetensors.index.json'],
        [consolidated]: weights('z'),
      },
      ['z'],
      /consolidated\.safetensors was chosen over model\.safetensors\.index\.json/,
    ],
    [
      'prefers a complete set to one that lacks shards',
      {
        ...sharded,
        [shard(2)]: 'x',
        'model.safetensors.index.json': indexOf({ a: shard(1), q: 'gone.safetensors' }),
        'model.safetensors': weights('whole'),
      },
      ['whole'],
      /was chosen over/,
    ],
    [
      'prefers safetensors to GGUF',
      { 'model.safetensors': weights('a'), 'x.gguf': gguf },
      ['a'],
      /over x\.gguf/,
    ],
    [
      'prefers the model to its variant',
      { 'model.safetensors': weights('a'), 'model.fp16.safetensors': weights('b') },
      ['a'],
      /over model\.fp16/,
    ],
    [
      'prefers a model to an adapter',
      { 'some.safetensors': weights('a'), 'adapter_model.safetensors': weights('b') },
      ['a'],
      /over adapter_model/,
    ],
    [
      'prefers a model that lacks shards to an adapter',
      { ...sharded, [shard(2)]: 'x', 'adapter_model.safetensors': weights('z') },
      ['a', 'c', 'b'],
      /model\.safetensors\.index\.json was chosen over adapter_model\.safetensors/,
    ],
    ['opens a GGUF file', { 'x.gguf': gguf }, ['g'], undefined],
    ['ignores case and takes .sft', { 'MODEL.SFT': weights('a') }, ['a'], undefined],
    [
      'finds a model that no name tells',
      { 'sha256-0a1b': weights('a'), 'README.md': 'text' },
      ['a'],
      undefined,
    ],
    [
      'does without an index that cannot be read',
      { ...sharded, 'model.safetensors.index.json': '' },
      ['a', 'b', 'c'],
      /index was ignored: .*empty/,
    ],
  ];
  it.each(cases)('%s', async (_, files, tensors, note) => {
    const model = await describeModel(folderOf('m', files));
    expect(names(model)).toEqual(tensors);
    expect(model.notes).toEqual(note ? [expect.stringMatching(note)] : []);
  });

  it('rejects an index of more shards than a model can have, also when it names each once', async () => {
    const map = Object.fromEntries(Array.from({ length: 10_001 }, (_, i) => [`t${i}`, `${i}.safetensors`]));
    const folder = folderOf('m', { 'model.safetensors.index.json': indexOf(map) });
    const file = join(folder, 'model.safetensors.index.json');
    await expect(openModel(file)).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining('names 10001 shards; at most 10000 are allowed') as string,
      place: { file },
    });
  });

  it('opens an index of 300,000 tensors whose shards are absent in linear time', async () => {
    const shards = 10_000;
    const map = Object.fromEntries(
      Array.from({ length: 30 * shards }, (_, i) => [`t${i}`, `model-${i % shards}.safetensors`]),
    );
    const folder = folderOf('m', { 'model.safetensors.index.json': indexOf(map) });
    const model = await describeModel(join(folder, 'model.safetensors.index.json'));
    expect(model.weightFiles).toEqual({ present: 0, total: shards });
    expect(model.tensors).toHaveLength(30 * shards);
  });

  it.each([
    ['is empty', ''],
    ['ends before its header does', weights('b').subarray(0, 20)],
    ['is a web page', '<!DOCTYPE html><html></html>'],
  ])('opens without a shard that %s, and says so', async (_, content) => {
    const model = await describeModel(folderOf('m', { ...sharded, [shard(2)]: content }));
    expect(model).toMatchObject({ missingFiles: [shard(2)], weightFiles: { present: 2, total: 3 } });
    expect(model.warnings[0]).toMatch(/^A shard cannot be used: .*model-00002-of-00003\.safetensors/);
    expect(model.tensors.map(({ readable }) => readable)).toEqual([true, true, false]);
  });

  it('does not choose between models that are equally good', async () => {
    const folder = folderOf('m', { 'x.gguf': gguf, 'y.gguf': gguf });
    await expect(openModel(folder)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining('several models (x.gguf, y.gguf)') as string,
    });
  });

  it('opens a whole file next to shards of an index that does not list it', async () => {
    const folder = folderOf('m', { ...sharded, 'model.safetensors': weights('whole') });
    const model = await describeModel(join(folder, 'model.safetensors'));
    expect(names(model)).toEqual(['whole']);
    expect(model.part).toBeUndefined();
  });
});

describe('names of models', () => {
  it.each([
    ['Qwen3-4B', 'model.safetensors', 'Qwen3-4B'],
    ['downloads', 'ae.sft', 'ae'],
    ['m', 'Llama-3-Q4_K_M-00001-of-00001.gguf', 'Llama-3-Q4_K_M'],
    ['models--Qwen--Qwen3-4B/snapshots/0a1b', 'model.safetensors', 'Qwen3-4B'],
  ])('%s/%s is %s', async (folder, file, name) => {
    const bytes = file.endsWith('.gguf') ? gguf : weights('a');
    expect((await describeModel(folderOf(folder, { [file]: bytes }))).name).toBe(name);
  });

  it('takes the name that a GGUF file states', async () => {
    const named = new GgufBytes().start(3, 0, 1).string('general.name').u32(8).string('Stated Name').data(0);
    expect((await describeModel(folderOf('m', { 'x.gguf': named }))).name).toBe('Stated Name');
  });
});

describe('a cache of links', () => {
  it('opens through the link, with the configuration of the snapshot', async () => {
    const cache = folderOf('models--x--y', {});
    const [blobs, snapshot] = [join(cache, 'blobs'), join(cache, 'snapshots', 'abc')];
    for (const folder of [blobs, snapshot]) mkdirSync(folder, { recursive: true });
    writeFile(blobs, '0a1b', weights('a'));
    symlinkSync(join('..', '..', 'blobs', '0a1b'), join(snapshot, 'model.safetensors'));
    writeFile(snapshot, 'config.json', '{"model_type":"llama"}');
    for (const path of [snapshot, join(snapshot, 'model.safetensors')])
      expect(await describeModel(path)).toMatchObject({ name: 'y', folder: snapshot, architecture: 'llama' });
  });
});
