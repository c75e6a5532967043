import { createHash } from 'node:crypto';
import {
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs';
import { join } from 'node:path';
import { tmpdir } from 'node:os';
import type * as Fs from 'node:fs/promises';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { ResultStore } from '../../../src/engine/evaluation/resultStore';
import { seal, unseal } from '../../../src/model/sealedJson';
import type { EvaluationResult } from '../../../src/protocol/evaluation';
import { clearFaults, limitFreeSpace } from '../../support/fileFaults';
import { temporaryFolder, writeFile } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});
afterEach(clearFaults);

/** The fields of a result that its store looks at. */
const result = (id: string, change: Partial<Record<keyof EvaluationResult, unknown>> = {}) =>
  ({ id, at: `2024-01-01T00:00:0${id}.000Z`, variant: 'Q4_K_M', ...change }) as unknown as EvaluationResult;
const text = { scoredTokens: 3, loss: { value: 1.5, standardError: 0.25 } };
const facts = { models: ['own', 'base'], formats: ['Q4_K'] };
const rejection = (message: string, code = 'REQUEST') => ({
  code,
  message: expect.stringMatching(message) as string,
});
const idsOf = (results: readonly EvaluationResult[]): string[] => results.map(({ id }) => id);

describe('results', () => {
  it('are listed for each of their models, the latest first, as they were', async () => {
    const store = new ResultStore(temporaryFolder());
    const [first, second, third] = [result('1'), result('2', { text }), result('3', { bytes: -0 })];
    for (const item of [second, first]) await store.add(item, facts);
    await store.add(third, { models: ['own'], formats: [] });
    expect(await store.list('own')).toEqual([third, second, first]);
    expect(await store.list('base')).toEqual([second, first]);
    expect(await store.list('another')).toEqual([]);
  });

  it.each([
    ['nothing but bytes', {}, []],
    ['a text', { text }, ['divergences']],
    ['tasks', { tasks: {} }, ['tasks']],
    ['both', { text, tasks: {} }, ['divergences', 'tasks']],
  ])('are kept with the versions of what they were computed by: %s', async (_, change, measures) => {
    const folder = temporaryFolder();
    const kept = result('1', change);
    await new ResultStore(folder).add(kept, facts);
    const line = readFileSync(join(folder, 'results', '1.json'), 'utf8');
    expect(line.endsWith('}\n')).toBe(true);
    const versions = Object.fromEntries(['Q4_K', 'states', ...measures].map((name) => [name, 1]));
    expect(unseal(line.trimEnd())).toEqual({ versions, models: facts.models, result: kept });
  });

  it.each<[string, unknown]>([
    ['is a list', []],
    ['has no versions', { versions: undefined }],
    ['has another version', { versions: { states: 0 } }],
    ['has a version of what there is not', { versions: { Q9_K: 1 } }],
    ['has no models', { models: undefined }],
    ['has models that are not a list', { models: 'own' }],
    ['has no result', { result: undefined }],
    ['has a result that is not an object', { result: 'Q4_K_M' }],
    ['has no id', { result: result('1', { id: 7 }) }],
    ['has no time', { result: result('1', { at: 7 }) }],
  ])('omit a sealed file that %s', async (_, change) => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    await store.add(result('1'), facts);
    const results = join(folder, 'results');
    const content = unseal(readFileSync(join(results, '1.json'), 'utf8').trimEnd()) as object;
    writeFile(results, '1.json', seal(content));
    expect(await store.list('own')).toHaveLength(1);
    writeFile(
      results,
      '1.json',
      seal(Array.isArray(change) ? change : { ...content, ...(change as object) }),
    );
    expect(await store.list('own')).toEqual([]);
  });

  it('omit files that are not results', async () => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    await store.add(result('1'), facts);
    const results = join(folder, 'results');
    mkdirSync(join(results, 'folder.json'));
    writeFile(results, 'torn.json', '{"digest":');
    writeFile(results, 'copy.bak', readFileSync(join(results, '1.json')));
    expect(idsOf(await store.list('own'))).toEqual(['1']);
  });

  it('are none without a folder, and an error names one that cannot be listed', async () => {
    const folder = temporaryFolder();
    expect(await new ResultStore(join(folder, 'never')).list('own')).toEqual([]);
    const file = writeFile(folder, 'file', '');
    await expect(new ResultStore(file).list('own')).rejects.toMatchObject({
      ...rejection('^The results cannot be listed: .*ENOTDIR', 'IO'),
      place: { file: join(file, 'results') },
    });
  });

  it('are removed with their tokens, once and again', async () => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    const tokens = { losses: Float64Array.of(1, 2, 3) };
    for (const id of ['1', '2']) await store.add(result(id, { text }), { ...facts, tokens });
    await store.remove('1');
    expect(readdirSync(join(folder, 'results')).sort()).toEqual(['2.json', '2.tokens']);
    await store.remove('1');
    await store.add(result('1-long_ID'), facts);
    expect(await store.list('own')).toHaveLength(2);
    await store.remove('1-long_ID');
    expect(idsOf(await store.list('own'))).toEqual(['2']);
  });

  it.each(['../results/2', '2/../2', '', '2.'])('have no id like "%s"', async (id) => {
    const store = new ResultStore(temporaryFolder());
    await store.add(result('2'), facts);
    await expect(store.remove(id)).rejects.toMatchObject({
      code: 'REQUEST',
      message: `"${id}" is not the id of a result.`,
    });
    expect(idsOf(await store.list('own'))).toEqual(['2']);
  });
});

describe('tokens of a result', () => {
  const losses = Float64Array.of(9, 0.5, NaN, -0, 9).subarray(1, 4);
  const divergences = Float64Array.of(9, 0.25, Infinity, 1e-9).subarray(1);
  const withoutBase = result('1', { text });
  const withBase = result('1', { text: { ...text, divergence: { base: 'the original' } } });

  it('come back as they were, with divergences where the result has one', async () => {
    const store = new ResultStore(temporaryFolder());
    await store.add(withoutBase, { ...facts, tokens: { losses } });
    expect(await store.tokens(withoutBase)).toEqual({ losses });
    await store.add(withBase, { ...facts, tokens: { losses, divergences } });
    expect(await store.tokens(withBase)).toEqual({ losses, divergences });
  });

  const sealed = (bytes: Uint8Array): Uint8Array =>
    Buffer.concat([bytes, createHash('sha256').update(bytes).digest()]);
  const edited = (): Uint8Array => {
    const bytes = sealed(new Uint8Array(24));
    bytes[7] = 0x3f;
    return bytes;
  };

  it.each([
    ['were never kept', undefined, text],
    ['are cut', sealed(new Uint8Array(23)), text],
    ['have no digest', new Uint8Array(24), text],
    ['were edited', edited(), text],
    ['are fewer than the result says', sealed(new Uint8Array(24)), { ...text, divergence: {} }],
    ['belong to a result without a text', sealed(new Uint8Array(0)), undefined],
  ])('are an error when they %s', async (_, bytes, stated) => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    const stored = result('1', { text: stated });
    await store.add(stored, facts);
    if (bytes) writeFile(join(folder, 'results'), '1.tokens', bytes);
    const file = join(folder, 'results', '1.tokens');
    await expect(store.tokens(stored)).rejects.toMatchObject({
      code: 'REQUEST',
      message: `The tokens of the result "Q4_K_M" are not kept. (${file})`,
      place: { file },
    });
  });
});

describe('states of base models', () => {
  /** Keeps the states of one token: as many floats as `size`, all `value`. */
  const made = (store: ResultStore, key: string, value: number, size = 4) =>
    store.addStates(key, { tokens: 1, hiddenSize: size }, async (append) => {
      const states = new Float32Array(size + 1).fill(value);
      await append(states.subarray(1, 2));
      await append(states.subarray(2));
    });
  const keep = async (...args: Parameters<typeof made>): Promise<void> => (await made(...args)).close();
  const bases = (folder: string): string[] => readdirSync(join(folder, 'bases'));
  /** Sets when a file was used last, in seconds of the epoch. */
  const setAge = (folder: string, name: string, seconds: number): void =>
    utimesSync(join(folder, 'bases', name), seconds, seconds);

  async function valuesOf(store: ResultStore, key: string, size = 4): Promise<number[] | undefined> {
    const found = await store.findStates(key, 1, size);
    if (!found) return undefined;
    const values = new Float32Array(size);
    await found.read(0, values);
    await found.close();
    return [...values];
  }

  /** A store that holds the keys a, b and c, of 48 bytes each, used in this order. */
  async function storeOfThree(maxStates: number): Promise<{ folder: string; store: ResultStore }> {
    const folder = temporaryFolder();
    const store = new ResultStore(folder, maxStates);
    const seen = new Set<string>();
    for (const [age, key] of ['a', 'b', 'c'].entries()) {
      await keep(store, key, age + 1);
      const name = bases(folder).find((file) => !seen.has(file))!;
      setAge(folder, name, 1000 + age);
      seen.add(name);
    }
    return { folder, store };
  }
  const held = async (store: ResultStore): Promise<string[]> => {
    const keys: string[] = [];
    for (const key of ['a', 'b', 'c', 'd']) if (await valuesOf(store, key)) keys.push(key);
    return keys;
  };

  it('are found by their key and their size', async () => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    expect(await valuesOf(store, 'a')).toBeUndefined();
    await keep(store, 'a', 1.5);
    await keep(store, 'b', 2.5);
    expect(await valuesOf(store, 'a')).toEqual([1.5, 1.5, 1.5, 1.5]);
    expect(await valuesOf(store, 'b')).toEqual([2.5, 2.5, 2.5, 2.5]);
    const names = bases(folder);
    for (const name of names) setAge(folder, name, 1000);
    expect(await valuesOf(store, 'a', 5)).toBeUndefined();
    expect(names.map((name) => statSync(join(folder, 'bases', name)).mtimeMs)).toEqual([1e6, 1e6]);
    expect(bases(folder).filter((name) => !/^[0-9a-f]{32}\.states$/.test(name))).toEqual([]);
  });

  it.each([
    ['one value was changed', (bytes: Uint8Array) => bytes.fill(0x3f, 4, 8)],
    ['they are cut', (bytes: Uint8Array) => bytes.subarray(0, 16)],
    ['bytes were added', (bytes: Uint8Array) => Buffer.concat([bytes, new Uint8Array(4)])],
  ])('are not found when %s', async (_, change) => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    await keep(store, 'a', 1.5);
    const file = join(folder, 'bases', bases(folder)[0]!);
    writeFileSync(file, change(readFileSync(file)));
    expect(await valuesOf(store, 'a')).toBeUndefined();
    await keep(store, 'a', 1.5);
    expect(await valuesOf(store, 'a')).toEqual([1.5, 1.5, 1.5, 1.5]);
  });

  it('leave nothing when writing them ends with an error', async () => {
    const folder = temporaryFolder();
    const store = new ResultStore(folder);
    const failed = store.addStates('a', { tokens: 1, hiddenSize: 4 }, async (append) => {
      await append(new Float32Array(2));
      throw new Error('no more');
    });
    await expect(failed).rejects.toThrow('no more');
    expect(bases(folder)).toEqual([]);
  });

  it('are in a temporary folder until they are closed where the disk of the store is full', async () => {
    const [folder, temporary] = [temporaryFolder(), temporaryFolder()];
    vi.stubEnv('TMPDIR', temporary);
    try {
      limitFreeSpace(new RegExp(`^${folder}`), 47);
      const store = new ResultStore(folder);
      const states = await made(store, 'a', 1.5);
      expect(existsSync(join(folder, 'bases'))).toBe(false);
      expect(readdirSync(temporary)).toHaveLength(1);
      const values = new Float32Array(4);
      await states.read(0, values);
      expect([...values]).toEqual([1.5, 1.5, 1.5, 1.5]);
      await states.close();
      expect(readdirSync(temporary)).toEqual([]);
      limitFreeSpace(new RegExp(`^${temporary}`), 20);
      await expect(made(store, 'a', 1.5)).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringMatching(
          /keeps of the base model needs 48 B, but only 47 B are free\. Free some there; .* QUANTSCOPE_CACHE/,
        ) as string,
      });
      expect(tmpdir()).toBe(temporary);
      expect(readdirSync(temporary)).toEqual([]);
    } finally {
      vi.unstubAllEnvs();
    }
  });

  it('stay as long as they fit', async () => {
    const { store } = await storeOfThree(192);
    await keep(store, 'd', 4);
    expect(await held(store)).toEqual(['a', 'b', 'c', 'd']);
  });

  it('make room by removing those that were not used for longest', async () => {
    const { store } = await storeOfThree(191);
    await keep(store, 'd', 4);
    expect(await held(store)).toEqual(['b', 'c', 'd']);
    const { store: smaller } = await storeOfThree(144);
    expect(await valuesOf(smaller, 'a')).toEqual([1, 1, 1, 1]); // used again: b is the oldest now
    await keep(smaller, 'd', 4, 8);
    expect([await valuesOf(smaller, 'a'), await valuesOf(smaller, 'd', 8)]).toEqual([
      [1, 1, 1, 1],
      new Array(8).fill(4),
    ]);
    expect([await valuesOf(smaller, 'b'), await valuesOf(smaller, 'c')]).toEqual([undefined, undefined]);
  });

  it('that were just written stay, however large', async () => {
    const { folder, store } = await storeOfThree(144);
    await keep(store, 'd', 4, 100);
    expect(bases(folder)).toHaveLength(1);
    expect(await valuesOf(store, 'd', 100)).toEqual(new Array(100).fill(4));
  });

  it.skipIf(process.platform === 'win32')('skip files that are gone or not theirs', async () => {
    const { folder, store } = await storeOfThree(144);
    symlinkSync(join(folder, 'nowhere'), join(folder, 'bases', 'gone.states'));
    writeFile(join(folder, 'bases'), 'notes.txt', new Uint8Array(1000));
    setAge(folder, 'notes.txt', 1);
    await keep(store, 'd', 4);
    expect(await held(store)).toEqual(['b', 'c', 'd']);
    expect(existsSync(join(folder, 'bases', 'notes.txt'))).toBe(true);
  });

  it('count as used when they are found', async () => {
    const { folder, store } = await storeOfThree(144);
    const [name] = bases(folder);
    setAge(folder, name!, 1000);
    for (const key of ['a', 'b', 'c']) await valuesOf(store, key);
    expect(Date.now() - statSync(join(folder, 'bases', name!)).mtimeMs).toBeLessThan(60_000);
  });
});
