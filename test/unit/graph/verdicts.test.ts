import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it, vi } from 'vitest';
import type * as Verdicts from '../../../src/graph/verdicts';
import { temporaryFolder } from '../../support/files';

const root = temporaryFolder();
let cache = '';
let count = 0;

/** The module as a new process has it: with nothing in memory but the file. */
async function newProcess(): Promise<typeof Verdicts> {
  vi.resetModules();
  return import('../../../src/graph/verdicts');
}

beforeEach(() => {
  cache = join(root, String(count++));
  vi.stubEnv('QUANTSCOPE_CACHE', cache);
  return () => vi.unstubAllEnvs();
});

const file = (): string => join(cache, 'devices.json');
const remember = async (identity: string, ok = true): Promise<void> =>
  (await newProcess()).rememberVerdict(
    identity,
    ok ? { ok, label: identity } : { ok, reason: 'out of memory' },
    'webgpu',
    '1.30.0',
  );
const recall = async (identity: string): Promise<unknown> => (await newProcess()).recallVerdict(identity);

describe('verdicts on devices', () => {
  it('persist after the process, each under its identity', async () => {
    await remember('a');
    await remember('b', false);
    expect(await recall('a')).toMatchObject({ ok: true, label: 'a' });
    expect(await recall('b')).toMatchObject({ ok: false, reason: 'out of memory' });
    expect(await recall('c')).toBeUndefined();
    expect(readdirSync(cache).filter((name) => name !== 'partials')).toEqual(['devices.json']);
  });

  it('that reject last a day, as memory that another program used may be free later', async () => {
    await remember('a');
    await remember('b', false);
    const age = (hours: number): void => {
      const at = new Date(Date.now() - hours * 3_600_000).toISOString();
      writeFileSync(file(), readFileSync(file(), 'utf8').replace(/"at": "[^"]*"/g, `"at": "${at}"`));
    };
    age(23);
    expect(await recall('b')).toMatchObject({ ok: false });
    age(25);
    expect(await recall('b')).toBeUndefined();
    expect(await recall('a')).toMatchObject({ ok: true });
  });

  it.each(['', '{', '[1]', '{"a":{"ok":true}}', '{"a":{"ok":true,"label":7,"at":"now"}}', '{"a":null}'])(
    'are none where the file holds %j',
    async (text) => {
      await remember('z');
      writeFileSync(file(), text);
      expect(await recall('a')).toBeUndefined();
      await remember('a');
      expect(await recall('a')).toMatchObject({ label: 'a' });
    },
  );

  it('are the most recent few', async () => {
    for (let i = 0; i < 40; i++) await remember(`identity ${i}`);
    const kept = Object.keys(JSON.parse(readFileSync(file(), 'utf8')) as object);
    expect([kept.length, kept[0], kept.at(-1)]).toEqual([32, 'identity 8', 'identity 39']);
  });

  it('last as long as the process where no file can be written', async () => {
    writeFileSync(join(root, 'taken'), '');
    vi.stubEnv('QUANTSCOPE_CACHE', join(root, 'taken', 'cache'));
    const { rememberVerdict, recallVerdict } = await newProcess();
    await rememberVerdict('a', { ok: true, label: 'a' }, 'cuda', '1.30.0');
    expect(recallVerdict('a')).toEqual({ ok: true, label: 'a' });
    expect(existsSync(file())).toBe(false);
  });
});
