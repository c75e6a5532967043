import { readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { withJsonValue } from '../../../src/doctor/fixes/jsonEdit';
import { engineJobs } from '../../support/engineJobs';
import { temporaryFolder } from '../../support/files';
import { copyOfSample, editJson, shardedSample, type Json } from './support';

const { request } = engineJobs(temporaryFolder());
const indexName = 'model.safetensors.index.json';
const textOf = (folder: string, name: string): string => readFileSync(join(folder, name), 'utf8');
const jsonOf = (folder: string, name: string): Json => JSON.parse(textOf(folder, name)) as Json;

describe('fixes', () => {
  it('write an index from what the shards hold, and nothing else', async () => {
    const folder = await shardedSample();
    const path = join(folder, indexName);
    const right = jsonOf(folder, indexName)['weight_map'] as Record<string, string>;
    const [first, second] = Object.keys(right);
    editJson(folder, indexName, (json) => {
      const map = json['weight_map'] as Record<string, string>;
      map['gone'] = map[first!]!;
      delete map[first!];
      map[second!] = 'model-00002-of-00002.safetensors';
    });
    const before = textOf(folder, indexName);
    const weights = statSync(join(folder, 'model-00001-of-00002.safetensors')).mtimeMs;

    const only = ['index/missing-tensor', 'index/unlisted-tensor', 'index/wrong-shard'];
    const shown = await request('model/doctor', { path, only });
    expect(shown.findings.map(({ code }) => code)).toEqual(only);
    expect(shown.findings.map(({ fix }) => fix)).toEqual(
      Array(3).fill('The index is written again from what the shards hold.'),
    );
    expect(shown.written).toEqual([]);
    const lines = before.split('\n');
    expect(shown.findings.map(({ place }) => lines[place!.line - 1]!.slice(place!.column - 1))).toEqual([
      expect.stringMatching(/^"gone": "/),
      '"weight_map": {',
      expect.stringContaining(`"${second}": "model-00002-of-00002.safetensors"`),
    ]);
    expect(textOf(folder, indexName)).toBe(before);

    const fixed = await request('model/doctor', { path, only, fix: true });
    expect(fixed.written).toEqual([path]);
    expect(fixed.findings.every((finding) => finding.fixed)).toBe(true);
    expect(jsonOf(folder, indexName)['weight_map']).toEqual(right);
    expect(statSync(join(folder, 'model-00001-of-00002.safetensors')).mtimeMs).toBe(weights);
    expect((await request('model/doctor', { path })).findings).toEqual([]);
  });

  it('are applied to the codes that are asked for only', async () => {
    const folder = copyOfSample();
    editJson(folder, 'generation_config.json', (json) => (json['eos_token_id'] = 5));
    const before = textOf(folder, 'generation_config.json');
    const other = await request('model/doctor', { path: folder, only: ['values/nan'], fix: true });
    expect([other.findings, other.written]).toEqual([[], []]);
    expect(textOf(folder, 'generation_config.json')).toBe(before);

    const { findings } = await request('model/doctor', {
      path: folder,
      only: ['special-tokens/disagree'],
      fix: true,
    });
    expect(findings).toMatchObject([{ key: ['eos_token_id'], fixed: true }]);
    const right = jsonOf(folder, 'config.json')['eos_token_id'];
    expect(textOf(folder, 'generation_config.json')).toBe(
      before.replace('"eos_token_id": 5', `"eos_token_id": ${String(right)}`),
    );
  });

  it('leave what has no fix as it is', async () => {
    const folder = copyOfSample();
    writeFileSync(join(folder, 'config.json'), '{"a": 1,}');
    const { findings, written } = await request('model/doctor', { path: folder, fix: true });
    expect(findings.map(({ code, fix, fixed }) => [code, fix, fixed])).toContainEqual([
      'config/unreadable',
      undefined,
      undefined,
    ]);
    expect(findings[0]!.place).toMatchObject({ line: 1, column: 8 });
    expect(written).toEqual([]);
    expect(textOf(folder, 'config.json')).toBe('{"a": 1,}');
  });

  it('refuse codes that there are not', async () => {
    await expect(request('model/doctor', { path: copyOfSample(), only: ['values/none'] })).rejects.toThrow(
      'There is no code "values/none". Codes are: file/unreadable, ',
    );
  });
});

describe('a value of a JSON text', () => {
  it.each([
    ['{"a": {"b": [1, "}"], "c" : -2e3 }, "c": 1}', ['a', 'c'], '{"a": {"b": [1, "}"], "c" : 7 }, "c": 1}'],
    ['\ufeff {"a":1,"a":2}', ['a'], '\ufeff {"a":1,"a":7}'], // parsers take the last one
    ['{"\\u0061" :\n"x,y"\n}', ['a'], '{"\\u0061" :\n7\n}'],
    ['{"a": 1}', ['b'], '{"a": 1}'],
    ['{"a": [1]}', ['a', 'b'], '{"a": [1]}'],
  ])('is replaced, and all else stays: %s', (text, keys, expected) => {
    expect(withJsonValue(text, keys, 7)).toBe(expected);
  });
});
