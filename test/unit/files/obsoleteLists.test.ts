import { existsSync, mkdirSync, readdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs';
import type * as Fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { writeAllAtomically, writeAtomically } from '../../../src/files/atomicFile';
import { clearFaults, failOn } from '../../support/fileFaults';
import { temporaryFolder } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

let folder: string;
const here = (name: string): string => join(folder, name);
const write = (...names: string[]): Promise<void[]> =>
  writeAllAtomically(names.map(here), (file) => file.write(Buffer.from('new')));
const contents = (): Record<string, string> =>
  Object.fromEntries(
    readdirSync(folder, { withFileTypes: true })
      .filter((item) => !item.isDirectory())
      .map(({ name }) => [name, readFileSync(here(name), 'utf8')]),
  );

beforeEach(() => {
  folder = temporaryFolder();
  for (const name of ['a.bin', 'a.bin.digests.json', 'b.bin.digests.json']) writeFileSync(here(name), 'old');
  process.env['QUANTSCOPE_CACHE'] = here('cache');
});
afterEach(() => {
  clearFaults();
  delete process.env['QUANTSCOPE_CACHE'];
});

describe('the list of digests of a file that is replaced', () => {
  it('is removed, and no other', async () => {
    await write('a.bin');
    expect(contents()).toEqual({ 'a.bin': 'new', 'b.bin.digests.json': 'old' });
  });

  it('is removed where an earlier file is gone, too', async () => {
    await write('b.bin');
    expect(existsSync(here('b.bin.digests.json'))).toBe(false);
  });

  it('is replaced where it is written with the file', async () => {
    await write('a.bin', 'a.bin.digests.json', 'b.bin');
    expect(contents()).toEqual({ 'a.bin': 'new', 'a.bin.digests.json': 'new', 'b.bin': 'new' });
  });

  it('is removed beside the file that a link leads to', async () => {
    symlinkSync(here('a.bin'), here('link.bin'));
    await write('link.bin', 'link.bin.digests.json');
    expect(contents()).toEqual({
      ...{ 'a.bin': 'new', 'b.bin.digests.json': 'old' },
      ...{ 'link.bin': 'new', 'link.bin.digests.json': 'new' },
    });
  });

  it('stays where it is a folder', async () => {
    mkdirSync(here('c.bin.digests.json'));
    await write('c.bin');
    expect(readFileSync(here('c.bin'), 'utf8')).toBe('new');
    expect(existsSync(here('c.bin.digests.json'))).toBe(true);
  });

  it('stays with the old file after an error', async () => {
    const before = contents();
    await expect(writeAtomically(here('a.bin'), () => Promise.reject(new Error('stop')))).rejects.toThrow();
    expect(contents()).toEqual(before);
    failOn('rename', /→ .*a\.bin$/);
    await expect(write('a.bin')).rejects.toMatchObject({ code: 'IO' });
    expect(contents()).toEqual(before);
  });
});
