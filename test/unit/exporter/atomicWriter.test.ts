import { existsSync, mkdirSync, readFileSync, readdirSync, writeFileSync } from 'node:fs';
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
    await file.sync();
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

  it('removes what dead processes left, and nothing of a living one or of another machine', async () => {
    process.env['QUANTSCOPE_CACHE'] = join(folder, 'cache');
    const notes = join(folder, 'cache', 'partials');
    mkdirSync(notes, { recursive: true });
    const host = hostname().replace(/[^\w]/g, '_');
    const left = {
      dead: `${host}-2147483646`,
      living: `${host}-${process.pid}`,
      elsewhere: 'elsewhere-2147483646',
    };
    for (const [name, owner] of Object.entries(left)) {
      writeFileSync(join(folder, `.${name}.partial`), '');
      writeFileSync(join(notes, `${owner}-00000000`), join(folder, `.${name}.partial`));
    }
    const precious = join(folder, 'precious.gguf'); // a damaged note must not cost a file
    writeFileSync(precious, '');
    writeFileSync(join(notes, `${host}-2147483645-00000000`), precious);
    await writeAtomically(join(folder, 'c.bin'), (file) => file.write(text('x')));
    const names = readdirSync(folder).filter((name) => name !== 'a.bin' && name !== 'cache');
    expect(names.sort()).toEqual(['.elsewhere.partial', '.living.partial', 'c.bin', 'precious.gguf']);
    expect(readdirSync(notes).sort()).toEqual([`elsewhere-2147483646-00000000`, `${left.living}-00000000`]);
    delete process.env['QUANTSCOPE_CACHE'];
  });

  it('refuses a target that is a folder', async () => {
    await expect(AtomicFile.create(folder)).rejects.toMatchObject({ code: 'REQUEST' });
  });
});
