import { linkSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openTokenizer } from '../../../src/evaluation/tokenizer/openTokenizer';
import { previewGguf } from '../../../src/exporter/exportGguf';
import { QuantscopeError } from '../../../src/model/errors';
import { openModel } from '../../../src/layouts/openModel';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { Random } from '../../support/random';

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

const strange: readonly Json[] = [
  ...[null, true, '', 'constructor', '__proto__', 'toString', 'Sequence', 'TemplateProcessing'],
  ...[-1, 0, 0.5, 3, 2 ** 32 + 5, 2 ** 53, 1e308, 1e-320],
  ...[
    [],
    {},
    [null],
    [[]],
    { type: 'constructor' },
    { type: 'Sequence', pretokenizers: [{ type: 'hasOwnProperty' }] },
  ],
];

/** Every place of a value inside an object or a list. */
function placesOf(value: Json): { holder: Json[] | Record<string, Json>; key: string | number }[] {
  if (typeof value !== 'object' || value === null) return [];
  const entries: [string | number, Json][] = Array.isArray(value)
    ? [...value.entries()]
    : Object.entries(value);
  // Of long lists and vocabularies a few entries stand for all.
  const some =
    entries.length > 64 ? entries.filter((_, i) => i % Math.floor(entries.length / 16) === 0) : entries;
  return some.flatMap(([key, inner]) => [{ holder: value, key }, ...placesOf(inner)]);
}

function mutate(original: Json, random: Random): Json {
  const copy = structuredClone(original);
  for (let changes = 1 + Math.floor(random.next() * 2); changes > 0; changes--) {
    const places = placesOf(copy);
    const { holder, key } = places[Math.floor(random.next() * places.length)]!;
    const choice = Math.floor(random.next() * (strange.length + 2));
    const target = holder as Record<string | number, Json>;
    if (choice === strange.length) delete target[key];
    else if (choice > strange.length && Array.isArray(holder)) holder.length = Math.min(1, holder.length);
    else target[key] = structuredClone(strange[choice] ?? null);
  }
  return copy;
}

function copyOfSample(): string {
  const folder = join(temporaryFolder(), 'model');
  mkdirSync(folder);
  for (const file of ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'generation_config.json'])
    writeFileSync(join(folder, file), readFileSync(join(sampleFolder, file)));
  linkSync(join(sampleFolder, 'model.safetensors'), join(folder, 'model.safetensors'));
  return folder;
}

/** Everything that reads these files. @returns the error, where there is one. */
async function useAll(folder: string): Promise<unknown> {
  try {
    const model = await openModel(folder);
    try {
      await previewGguf(model, { type: 'Q8_0' });
      const tokenizer = await openTokenizer(model);
      tokenizer.decode(
        await tokenizer.encode('Once upon a time, <|endoftext|> 12 naïve\n', { addSpecial: true }),
      );
    } finally {
      await model.close();
    }
  } catch (error) {
    return error;
  }
  return undefined;
}

describe('damaged files of a checkpoint', () => {
  it.each([
    ['tokenizer.json', { pre_tokenizer: { type: 'constructor' } }, 'UNSUPPORTED'],
    [
      'tokenizer.json',
      { pre_tokenizer: { type: 'Sequence', pretokenizers: [{ type: 'valueOf' }] } },
      'UNSUPPORTED',
    ],
    ['tokenizer.json', { model: { type: 'constructor' } }, 'UNSUPPORTED'],
    ['config.json', { architectures: ['constructor'] }, 'UNSUPPORTED'],
    ['config.json', { num_attention_heads: 1e300, head_dim: 1e-300 }, 'MODEL_FILE'],
  ])('%s with %j is an error of this program', async (name, change, code) => {
    const folder = copyOfSample();
    const original = JSON.parse(readFileSync(join(folder, name), 'utf8')) as object;
    writeFileSync(join(folder, name), JSON.stringify({ ...original, ...change }));
    expect(await useAll(folder)).toMatchObject({ code, place: { file: join(folder, name) } });
  });

  it.each([
    { name: 'config.json', seed: 3, count: 300, fatal: true },
    { name: 'tokenizer.json', seed: 5, count: 300, fatal: true },
    // What these say of special tokens may be left out.
    { name: 'tokenizer_config.json', seed: 7, count: 100, fatal: false },
    { name: 'generation_config.json', seed: 9, count: 50, fatal: false },
  ])('$name: mutations are errors of this program that name a file, or are harmless', async (damage) => {
    const { name, seed, count, fatal } = damage;
    const folder = copyOfSample();
    const original = JSON.parse(readFileSync(join(folder, name), 'utf8')) as Json;
    const random = new Random(seed);
    let errors = 0;
    for (let i = 0; i < count; i++) {
      const text = JSON.stringify(mutate(original, random));
      writeFileSync(join(folder, name), text);
      const error = await useAll(folder);
      if (error === undefined) continue;
      errors += 1;
      const what = `${i}: ${error instanceof Error ? error.stack : 'not an error'}`;
      expect(error, what).toBeInstanceOf(QuantscopeError);
      expect((error as QuantscopeError).code, what).not.toBe('INTERNAL');
      expect(dirname((error as QuantscopeError).place.file ?? ''), what).toBe(folder);
    }
    expect(errors > 0).toBe(fatal);
    expect(errors).toBeLessThan(count);
  });
});
