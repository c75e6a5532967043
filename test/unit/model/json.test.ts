import { mkdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { QuantscopeError } from '../../../src/model/errors';
import { parseJson } from '../../../src/model/json';
import { readJsonFile } from '../../../src/model/jsonFiles';
import { openModel } from '../../../src/layouts/openModel';
import { ggufView } from '../../../src/architectures/ggufView';
import { safetensorsBytes, temporaryFolder, writeFile } from '../../support/files';

const folder = temporaryFolder();

async function failureOf(bytes: Uint8Array | string): Promise<QuantscopeError> {
  const error: unknown = await readJsonFile(writeFile(folder, 'config.json', bytes)).catch(
    (reason: unknown) => reason,
  );
  expect(error).toBeInstanceOf(QuantscopeError);
  const known = error as QuantscopeError;
  expect(known).toMatchObject({ code: 'MODEL_FILE', place: { file: join(folder, 'config.json') } });
  return known;
}

describe('JSON next to a model', () => {
  it('is read as Python writes it', () => {
    expect(parseJson('\ufeff{"a": NaN, "b": [-Infinity, Infinity, 1], "NaN": "NaN"}')).toEqual({
      ...{ a: NaN, b: [-Infinity, Infinity, 1] },
      NaN: 'NaN',
    });
  });

  it('keeps strings that look like the reader’s own markers', () => {
    expect(parseJson('{"a": NaN, "b": "number:NaN"}')).toEqual({ a: NaN, b: 'number:NaN' });
  });

  it('keeps keys that every object has', () => {
    const value = parseJson('{"__proto__": NaN, "constructor": 1}') as object;
    expect(Object.entries(value)).toEqual([
      ['__proto__', NaN],
      ['constructor', 1],
    ]);
  });

  const mistakes: [string, string, RegExp, number][] = [
    [
      'a comma at the end of an object',
      '{\n  "a": 1,\n}',
      /in line 2, column 9, there is a comma before "}"/,
      10,
    ],
    ['a comma at the end of a list', '[1, 2, ]', /line 1, column 6, there is a comma before "]"/, 5],
    ['a missing comma', '{"a": 1 "b": 2}', /column 9, "," or the end .* is expected, not "\\""/, 8],
    ['two commas', '[1,,2]', /column 4, a value is expected, not ","/, 3],
    ['a missing colon', '{"a" 1}', /column 6, ":" is expected, not "1"/, 5],
    ['no value', '{"a": }', /column 7, a value is expected, not "}"/, 6],
    ['a name without quotes', '{a: 1}', /a name in double quotes or "}" is expected, not "a"/, 1],
    ['single quotes', "{'a': 1}", /single quote/, 1],
    ["Python's True", '{"a": True}', /JSON writes true/, 6],
    ['a comment', '{"a": 1 // note\n}', /comment/, 8],
    ['a line break in a string', '{"a": "x\ny"}', /line 1, column 9, there is a line break in a string/, 8],
    ['an unknown escape', '{"a": "C:\\x"}', /backslash/, 9],
    ['text after its end', '{} {}', /the end of the text is expected/, 3],
    ['the end of a list for an object', '{"a": [1}', /column 9, "," or the end/, 8],
    ['a cut text', '{"a": [1, 2', /ends before the value does/, 11],
    ['a cut string', '{"a": "b', /ends inside a string/, 8],
    ['a conflict marker', '{\n<<<<<<< HEAD\n"a": 1}', /line 2, column 1, there is a conflict marker/, 2],
    ['a number that is none', '{"a": 01}', /a value is expected, not "01"/, 6],
    [
      'lists 200 deep',
      `${'['.repeat(200)}${']'.repeat(200)}`,
      /column 101, .*nested more than 100 deep/,
      100,
    ],
    ['a million brackets', '['.repeat(1_000_000), /nested more than 100/, 100],
  ];
  it.each(mistakes)('with %s is an error that says where', async (_, text, message, offset) => {
    const error = await failureOf(text);
    expect(error.message).toMatch(message);
    expect(error.place.offset).toBe(offset);
  });

  it('counts offsets in bytes and columns in characters', async () => {
    const error = await failureOf('{"ä": 1,}');
    expect(error.message).toContain('line 1, column 8');
    expect(error.place.offset).toBe(8);
  });

  it.each([
    ['empty', '', /is empty/],
    ['a Git LFS pointer', 'version https://git-lfs.github.com/spec/v1\noid sha256:00\n', /Git LFS pointer/],
    ['a web page', '<!DOCTYPE html><title>Log in</title>', /web page.*"Log in"/],
    ['gzip', Uint8Array.of(0x1f, 0x8b, 8, 0), /gzip/],
    ['UTF-16', Buffer.from('\ufeff{}', 'utf16le'), /UTF-16/],
    ['not UTF-8', Uint8Array.of(0x7b, 0x22, 0xff, 0x22, 0x7d), /not UTF-8/],
  ])('that is %s is reported as such', async (_, bytes, message) => {
    expect((await failureOf(bytes)).message).toMatch(message);
  });
});

describe('config.json', () => {
  const modelWith = (config: string): string => {
    const path = join(temporaryFolder(), 'm');
    mkdirSync(path);
    writeFile(
      path,
      'model.safetensors',
      safetensorsBytes({ a: { dtype: 'F32', shape: [2], data_offsets: [0, 8] } }, 8),
    );
    writeFile(path, 'config.json', config);
    return path;
  };

  it('may hold what Python writes', async () => {
    const model = await openModel(
      modelWith('\ufeff{"model_type": "llama", "attn_scale": Infinity, "x": [NaN]}'),
    );
    await model.close();
    expect(model.config).toEqual({ model_type: 'llama', attn_scale: Infinity, x: [NaN] });
    expect(model.description.architecture).toBe('llama');
    expect(model.description.metadata).toContainEqual(
      expect.objectContaining({ key: 'x', text: '[NaN]', source: 'config.json' }),
    );
    expect(model.description.warnings).toEqual([]);
  });

  it('that cannot be read is a warning on opening, and an error where it is needed', async () => {
    const path = modelWith('{"model_type": "llama",}');
    const model = await openModel(path);
    await model.close();
    expect(model.description.warnings).toEqual([
      expect.stringContaining('config.json cannot be used: The file is not JSON: in line 1, column 23'),
    ]);
    await expect(ggufView(model)).rejects.toThrow(/in line 1, column 23, there is a comma before "}"/);
  });

  it('is part of the model’s files', async () => {
    const path = modelWith('{}');
    const model = await openModel(path);
    await model.close();
    expect(model.description.files.map((file) => file.path)).toEqual([
      join(path, 'model.safetensors'),
      join(path, 'config.json'),
    ]);
  });
});
