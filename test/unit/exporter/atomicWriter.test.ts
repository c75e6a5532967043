import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
import { hostname } from 'node:os';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { AtomicFile, writeAtomically } from '../../../src/exporter/atomicWriter';
import { temporaryFolder } from '../../support/files';

const folder = temporaryFolder();
const text = (value: string): Uint8Array => Buffer.from(value);

describe('AtomicFile', () => {
  it('shows the old content until commit, then the new, and leaves no other file', async () => {
    const target = join(folder, 'a.bin');
    writeFileSync(target, 'old');
    const file = await AtomicFile.create(target);
    await file.write(text('new '));
    await file.write(text('content'));
    expect(file.bytesWritten).toBe(11);
    expect(readFileSync(target, 'utf8')).toBe('old');
    await file.commit();
    expect(readFileSync(target, 'utf8')).toBe('new content');
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('keeps the old content and leaves nothing else when the writing fails', async () => {
    const target = join(folder, 'a.bin');
    const before = readFileSync(target, 'utf8');
    const failing = writeAtomically(target, async (file) => {
      await file.write(text('half'));
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect(readFileSync(target, 'utf8')).toBe(before);
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('makes the folder, and takes it away again when the file is discarded', async () => {
    const target = join(folder, 'deep', 'er', 'b.bin');
    const file = await AtomicFile.create(target);
    expect(existsSync(join(folder, 'deep', 'er'))).toBe(true);
    await file.discard();
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('removes what a dead process left of the same target, and nothing of a living one', async () => {
    const target = join(folder, 'c.bin');
    const host = hostname().replace(/[^\w]/g, '_');
    const dead = `.c.bin.${host}-2147483646-00000000.partial`;
    const living = `.c.bin.${host}-${process.pid}-00000000.partial`;
    const elsewhere = '.c.bin.elsewhere-2147483646-00000000.partial';
    for (const name of [dead, living, elsewhere]) writeFileSync(join(folder, name), '');
    await writeAtomically(target, (file) => file.write(text('x')));
    const names = readdirSync(folder);
    expect(names).not.toContain(dead);
    expect(names).toContain(living);
    expect(names).toContain(elsewhere);
    expect(names).toContain('c.bin');
  });

  it('refuses a target that is a folder', async () => {
    await expect(AtomicFile.create(folder)).rejects.toMatchObject({ code: 'REQUEST' });
  });
});
