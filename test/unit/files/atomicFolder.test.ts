import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import type * as Fs from 'node:fs/promises';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeAll, beforeEach, describe, expect, it, vi } from 'vitest';
import { makeFolderAtomically } from '../../../src/files/atomicFolder';
import { removeAbandoned } from '../../../src/files/partials';
import { clearFaults, failOn } from '../../support/fileFaults';
import { projectRoot, temporaryFolder } from '../../support/files';
import { killAtChange } from '../../support/killers';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

const root = temporaryFolder();
let folder: string;
let tests = 0;
const target = (): string => join(folder, 'made');
const notes = (): string[] => {
  const path = join(process.env['QUANTSCOPE_CACHE']!, 'partials');
  return existsSync(path) ? readdirSync(path) : [];
};
/** Names and contents of the made folder; undefined where it is absent. */
const content = (): string | undefined =>
  existsSync(target())
    ? readdirSync(target())
        .map((name) => `${name}: ${readFileSync(join(target(), name), 'utf8')}`)
        .join(', ')
    : undefined;
const fill = (text: string) => (temporary: string) => {
  for (const name of ['a', 'b']) writeFileSync(join(temporary, name), text);
  return Promise.resolve(text.length);
};
const older = (): void => {
  mkdirSync(target());
  writeFileSync(join(target(), 'old'), 'older');
};

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  process.env['QUANTSCOPE_CACHE'] = join(root, `cache-${tests}`);
});
afterEach(() => {
  clearFaults();
  delete process.env['QUANTSCOPE_CACHE'];
});

describe('a folder that is made atomically', () => {
  it('appears whole, and leaves nothing else', async () => {
    expect(await makeFolderAtomically(target(), fill('new'))).toBe(3);
    expect(content()).toBe('a: new, b: new');
    expect(readdirSync(folder)).toEqual(['made']);
    expect(notes()).toEqual([]);
  });

  it('replaces one of its name, none of whose files are left', async () => {
    older();
    await makeFolderAtomically(target(), fill('new'));
    expect(content()).toBe('a: new, b: new');
    expect(readdirSync(folder)).toEqual(['made']);
  });

  it.each([
    ['what fills it fails', undefined],
    ['it cannot be synced', ['sync', /made.*b$/, 1]],
    ['the old one cannot be moved away', ['rename', /made →/, 1]],
    ['it cannot be put in place', ['rename', /→ .*made$/, 1]],
  ] as const)('is removed, and the old one there as before, when %s', async (_, fault) => {
    older();
    if (fault) failOn(fault[0], fault[1], { nth: fault[2], code: 'ENOSPC' });
    const own = new RangeError('planted');
    const made = makeFolderAtomically(target(), fault ? fill('new') : () => Promise.reject(own));
    if (fault) await expect(made).rejects.toMatchObject({ code: 'IO', place: { file: target() } });
    else await expect(made).rejects.toBe(own);
    expect(content()).toBe('old: older');
    expect(readdirSync(folder)).toEqual(['made']);
    expect(notes()).toEqual([]);
  });

  it('takes the folders above it along when it fails, if they were made for it', async () => {
    const deep = join(folder, 'x', 'y', 'made');
    await expect(makeFolderAtomically(deep, () => Promise.reject(new Error('planted')))).rejects.toThrow(
      'planted',
    );
    expect(readdirSync(folder)).toEqual([]);
  });
});

const maker = `
import { writeFile } from 'node:fs/promises';
import { makeFolderAtomically } from './src/files/atomicFolder';
await makeFolderAtomically(process.argv[2], async (folder) => {
  for (const name of ['a', 'b']) await writeFile(folder + '/' + name, 'new');
  if (process.env.KILL_AT === 'filling') process.kill(process.pid, 'SIGKILL');
});
`;

describe.skipIf(process.platform === 'win32')('a process that is killed while it makes a folder', () => {
  const script = join(root, 'maker.mjs');

  beforeAll(async () => {
    writeFileSync(join(root, 'killAtChange.cjs'), killAtChange);
    await build({
      stdin: { contents: maker, resolveDir: projectRoot },
      ...{ bundle: true, platform: 'node', format: 'esm', outfile: script, logLevel: 'error' },
    });
  });

  /** @returns the signal that ended it. */
  const run = (killAt: string): Promise<string | null> =>
    new Promise((resolve, reject) => {
      const env = { ...process.env, KILL_AT: killAt, KILL_IN: folder };
      const args = ['--require', join(root, 'killAtChange.cjs'), script, target()];
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
      child.on('error', reject);
      child.on('close', (_, signal) => resolve(signal));
    });

  it.each([
    ['filling', 'old: older'],
    ['0', 'a: new, b: new'],
    ['1', 'a: new, b: new'],
    ['2', 'a: new, b: new'],
  ])('leaves the old one or the new one after the next start: %s', async (killAt, expected) => {
    older();
    expect(await run(killAt)).toBe('SIGKILL');
    await removeAbandoned();
    expect(content()).toBe(expected);
    expect(readdirSync(folder)).toEqual(['made']);
    expect(notes()).toEqual([]);
  });
});
