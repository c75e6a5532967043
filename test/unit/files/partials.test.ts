import { spawn } from 'node:child_process';
import { existsSync, mkdirSync, readFileSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { build } from 'esbuild';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';
import { notePartials, removeAbandoned } from '../../../src/files/partials';
import { isAlive, ownIdentity } from '../../../src/files/processSpace';
import { projectRoot, temporaryFolder } from '../../support/files';
import { killAtChange } from '../../support/killers';

const root = temporaryFolder();
let folder: string;
let notes: string;
let tests = 0;
const here = (name: string): string => join(folder, name);

beforeEach(() => {
  folder = join(root, String(tests++));
  notes = join(folder, 'cache', 'partials');
  mkdirSync(notes, { recursive: true });
  process.env['QUANTSCOPE_CACHE'] = join(folder, 'cache');
});
afterEach(() => delete process.env['QUANTSCOPE_CACHE']);

const files = (): string[] =>
  readdirSync(folder)
    .filter((name) => name !== 'cache')
    .sort();

/** A note as another process would have left it; `days` ago. */
function leave(owner: string, partials: readonly string[], { days = 0, moves = [] as object[] } = {}): void {
  const note = join(notes, `${owner}-0a1b2c3d`);
  writeFileSync(note, JSON.stringify({ partials, moves }));
  const past = Date.now() / 1000 - days * 24 * 60 * 60;
  for (const file of [note, ...partials.filter((path) => existsSync(path))]) utimesSync(file, past, past);
}

function partial(name: string): string {
  const path = here(`.${name}.partial`);
  writeFileSync(path, '');
  return path;
}

describe('removeAbandoned', () => {
  const { space, pid, start } = ownIdentity();
  const dead = `${space}-2147483646-1`;

  it('removes what dead processes of this space left, at once, and nothing of living ones', async () => {
    leave(dead, [partial('dead')]);
    leave(`${space}-${pid}-${start}`, [partial('living')]);
    await removeAbandoned();
    expect(files()).toEqual(['.living.partial']);
    expect(readdirSync(notes)).toEqual([`${space}-${pid}-${start}-0a1b2c3d`]);
  });

  it.runIf(process.platform === 'linux')('recognises a process whose id was reused', async () => {
    expect(isAlive({ space, pid, start })).toBe(true);
    expect(isAlive({ space, pid, start: start + 1 })).toBe(false);
    leave(`${space}-${pid}-${start + 1}`, [partial('before')]);
    await removeAbandoned();
    expect(files()).toEqual([]);
  });

  it('leaves files of another container of the same host name alone while they are written', async () => {
    // There, this process's id does not exist; here it would look dead.
    leave('0123456789abcdef-2147483646-1', [partial('elsewhere')]);
    leave(`${hostname().replace(/[^\w]/g, '_')}-2147483646`, [partial('older')]);
    await removeAbandoned();
    expect(files()).toEqual(['.elsewhere.partial', '.older.partial']);
  });

  it('removes files of another container or machine that were not written to for a day', async () => {
    leave('0123456789abcdef-2147483646-1', [partial('elsewhere')], { days: 2 });
    await removeAbandoned();
    expect(files()).toEqual([]);
    expect(readdirSync(notes)).toEqual([]);
  });

  it('never removes or moves what is not a temporary file, whatever a note says', async () => {
    for (const name of ['precious.gguf', 'other.gguf']) writeFileSync(here(name), name);
    leave(dead, [here('precious.gguf')], {
      moves: [{ from: here('other.gguf'), to: here('precious.gguf') }],
    });
    writeFileSync(join(notes, `${dead}-11111111`), 'torn {');
    await removeAbandoned();
    expect(files()).toEqual(['other.gguf', 'precious.gguf']);
    expect(readFileSync(here('precious.gguf'), 'utf8')).toBe('precious.gguf');
  });

  it('does nothing without a place for notes', async () => {
    process.env['QUANTSCOPE_CACHE'] = join('/dev/null', 'cache');
    const forget = await notePartials([here('a.partial')]);
    await forget();
    await removeAbandoned();
    expect(files()).toEqual([]);
  });
});

const writer = `
import { writeAllAtomically } from './src/files/atomicFile';
const [content, ...targets] = process.argv.slice(2);
await writeAllAtomically(targets, (file, part) => file.write(Buffer.from(content + ' ' + part)));
`;

describe.skipIf(process.platform === 'win32')('a process that is killed while it commits', () => {
  const script = join(root, 'writer.mjs');
  const parts = ['m-1.gguf', 'm-2.gguf', 'm-3.gguf'];

  beforeAll(async () => {
    writeFileSync(join(root, 'killAtChange.cjs'), killAtChange);
    await build({
      stdin: { contents: writer, resolveDir: projectRoot },
      ...{ bundle: true, platform: 'node', format: 'esm', outfile: script, logLevel: 'error' },
    });
  });

  /** @returns the signal that ended it. */
  const run = (content: string, names: readonly string[], killAt: number): Promise<string | null> =>
    new Promise((resolve, reject) => {
      const args = ['--require', join(root, 'killAtChange.cjs'), script, content, ...names.map(here)];
      const env = { ...process.env, KILL_AT: String(killAt), KILL_IN: folder };
      const child = spawn(process.execPath, args, { env, stdio: ['ignore', 'ignore', 'inherit'] });
      child.on('error', reject);
      child.on('close', (_, signal) => resolve(signal));
    });
  const present = (): string[] => parts.filter((part) => existsSync(here(part)));
  const kinds = (): Set<string> =>
    new Set(present().map((part) => readFileSync(here(part), 'utf8').split(' ')[0]!));

  it('leaves the old file, or the new one, and nothing else after the next start', async () => {
    await run('old', ['one.gguf'], Infinity);
    for (const killAt of [0, 1, 2, 3]) {
      const signal = await run('new', ['one.gguf'], killAt);
      const content = readFileSync(here('one.gguf'), 'utf8');
      expect(['old 0', 'new 0']).toContain(content);
      if (signal === null) expect(content).toBe('new 0');
      await removeAbandoned();
      expect(files()).toEqual(['one.gguf']);
      expect(readdirSync(notes)).toEqual([]);
    }
  });

  it('never leaves the list of digests of the old file beside the new one', async () => {
    const list = 'one.gguf.digests.json';
    const outcomes = new Set<string>();
    for (let killAt = 0; killAt < 14; killAt++) {
      writeFileSync(here('one.gguf'), 'old 0');
      writeFileSync(here(list), 'old');
      await run('new', ['one.gguf'], killAt);
      await removeAbandoned();
      const content = readFileSync(here('one.gguf'), 'utf8');
      outcomes.add(`${content}, ${existsSync(here(list)) ? 'with' : 'without'} a list`);
      expect(files().filter((name) => name !== list)).toEqual(['one.gguf']);
      expect(readdirSync(notes)).toEqual([]);
    }
    expect(outcomes).toContain('old 0, with a list');
    expect(outcomes).toContain('new 0, without a list');
    expect(outcomes).not.toContain('new 0, with a list');
  });

  it('never shows parts of both, and the next start finishes what was begun', async () => {
    let killed = 0;
    for (let killAt = 0; killAt < 16; killAt++) {
      await run('old', parts, Infinity);
      expect(kinds()).toEqual(new Set(['old']));
      const signal = await run('new', parts, killAt);
      if (signal !== null) killed += 1;
      expect(kinds().size, `killed at ${killAt}`).toBeLessThanOrEqual(1);
      // A model that lacks parts lacks its first one, too: it cannot be taken for a whole one.
      if (present().length < parts.length) expect(present(), `killed at ${killAt}`).not.toContain(parts[0]);
      await removeAbandoned();
      expect(present(), `killed at ${killAt}`).toEqual(parts);
      expect(kinds().size).toBe(1);
      expect(files()).toEqual(parts);
      expect(readdirSync(notes)).toEqual([]);
    }
    expect(killed).toBeGreaterThan(8);
  });
});
