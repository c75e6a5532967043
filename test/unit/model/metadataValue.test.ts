import { describe, expect, it } from 'vitest';
import { readMetadataSlice } from '../../../src/model/metadataValue';
import { openModel } from '../../../src/layouts/openModel';
import type { MetadataSliceParams } from '../../../src/protocol/model';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';
import { GgufBytes } from '../../support/ggufBytes';

const folder = temporaryFolder();
const f32 = 6;
const string = 8;
const array = 9;
const template = 'x'.repeat(1000);

function float(value: number): Buffer {
  const bytes = Buffer.alloc(4);
  bytes.writeFloatLE(value);
  return bytes;
}

/** Tokens "t0" to "t1999", as many scores, a float and a long text. */
function ggufFile(): string {
  const file = new GgufBytes().start(3, 0, 4);
  file.string('tokens').u32(array).u32(string).u64(2000);
  for (let i = 0; i < 2000; i++) file.string(`t${i}`);
  file.string('scores').u32(array).u32(f32).u64(2000);
  for (let i = 0; i < 2000; i++) file.raw(float(-i / 10));
  file.string('epsilon').u32(f32).raw(float(1e-5));
  file.string('template').u32(string).string(template);
  return writeFile(folder, 'm.gguf', file.data(0));
}

async function slice(path: string, params: MetadataSliceParams) {
  const model = await openModel(path);
  try {
    return await readMetadataSlice(model, params);
  } finally {
    await model.close();
  }
}

async function entry(path: string, key: string) {
  const model = await openModel(path);
  await model.close();
  return model.description.metadata.find((item) => item.key === key);
}

describe('metadata of a GGUF file', () => {
  const path = ggufFile();

  it('has floats as the shortest text that is the same float32', async () => {
    expect(await entry(path, 'epsilon')).toMatchObject({ type: 'f32', text: '0.00001' });
    expect((await entry(path, 'scores'))?.text).toMatch(/^\[0, -0\.1, -0\.2, -0\.3, /);
  });

  it('has long texts cut, and says how long they are', async () => {
    const { text, characters } = (await entry(path, 'template'))!;
    expect([text.length, characters]).toEqual([400, 1000]);
    expect(await entry(path, 'epsilon')).not.toHaveProperty('characters');
  });

  it('has the rest of a text on demand', async () => {
    const rest = await slice(path, { key: 'template', source: 'm.gguf', first: 400, count: 10_000 });
    expect(rest).toEqual({ kind: 'characters', text: template.slice(400), total: 1000 });
  });

  it('has elements of arrays on demand, at most a thousand at a time', async () => {
    const ask = (key: string, first: number, count: number) =>
      slice(path, { key, source: 'm.gguf', first, count });
    expect(await ask('tokens', 1500, 2)).toEqual({
      ...{ kind: 'elements', items: ['"t1500"', '"t1501"'], total: 2000 },
    });
    expect(await ask('scores', 1998, 50)).toEqual({
      ...{ kind: 'elements', items: ['-199.8', '-199.9'], total: 2000 },
    });
    const all = await ask('tokens', 0, 5000);
    expect(all.kind === 'elements' && [all.items.length, all.items.at(-1)]).toEqual([1000, '"t999"']);
    expect(await ask('tokens', 2000, 5)).toMatchObject({ items: [] });
  });

  it('rejects keys that are not there with an error that names them', async () => {
    const missing = slice(path, { key: 'colour', source: 'm.gguf', first: 0, count: 1 });
    await expect(missing).rejects.toThrow(/m\.gguf has no metadata "colour"/);
  });
});

describe('metadata of a checkpoint', () => {
  it('has lists of config.json and texts of the header on demand', async () => {
    const card = 'y'.repeat(500);
    const path = writeFile(folder, 'model.safetensors', safetensorsBytes({ __metadata__: { card } }, 0));
    const list = Array.from({ length: 300 }, (_, i) => i);
    writeFile(folder, 'config.json', JSON.stringify({ list }));
    expect(await entry(path, 'list')).toMatchObject({ type: 'array', length: 300 });
    expect(await slice(path, { key: 'list', source: 'config.json', first: 298, count: 9 })).toEqual({
      ...{ kind: 'elements', items: ['298', '299'], total: 300 },
    });
    expect(await entry(path, 'card')).toMatchObject({ characters: 500 });
    const rest = await slice(path, { key: 'card', source: 'model.safetensors', first: 498, count: 9 });
    expect(rest).toEqual({ kind: 'characters', text: 'yy', total: 500 });
  });
});
