import { cpSync, mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { checkOutput } from '../../../src/engine/checkOutput';
import { openModel } from '../../../src/layouts/openModel';
import type { Model } from '../../../src/model/model';
import { sampleFolder, temporaryFolder } from '../../support/files';

describe('where a result is to go', () => {
  const folder = temporaryFolder();
  const at = (...names: string[]): string => join(folder, ...names);
  let model: Model;

  beforeAll(async () => {
    cpSync(sampleFolder, at('model'), { recursive: true });
    mkdirSync(at('earlier'));
    writeFileSync(at('earlier/a.safetensors'), '');
    const record = { writtenBy: 'quantscope', files: ['a.safetensors'] };
    writeFileSync(at('earlier/quantscope.json'), JSON.stringify(record));
    mkdirSync(at('other'));
    writeFileSync(at('other/thesis.txt'), 'years');
    writeFileSync(at('older.gguf'), '');
    model = await openModel(at('model'));
  });

  afterAll(() => model.close());

  it('may be new, or an earlier result, which is replaced', async () => {
    expect(await checkOutput(model, at('new'), 'checkpoint')).toEqual({});
    expect(await checkOutput(model, at('earlier'), 'checkpoint')).toEqual({ replaces: true });
    expect(await checkOutput(model, at('new.gguf'), 'gguf')).toEqual({});
    expect(await checkOutput(model, at('older.gguf'), 'gguf')).toEqual({ replaces: true });
  });

  it.each([
    ['model', 'checkpoint', /is that of the model/],
    ['model/inside', 'checkpoint', /or lies in it/],
    ['other', 'checkpoint', /not an earlier output of Quantscope/],
    ['older.gguf', 'checkpoint', /is not a folder/],
    ['model/onnx', 'onnx', /or lies in it/],
    ['older.gguf', 'onnx', /is not a folder/],
    ['model/model.safetensors', 'gguf', /would replace an input file/],
  ] as const)('must not be %s for the target %s', async (name, target, message) =>
    expect((await checkOutput(model, at(name), target)).problem).toMatch(message),
  );
});
