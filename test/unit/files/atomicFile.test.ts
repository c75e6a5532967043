import { execFileSync } from 'node:child_process';
import {
  chmodSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  readlinkSync,
  statSync,
  symlinkSync,
  unlinkSync,
  writeFileSync,
} from 'node:fs';
import type * as Fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest';
import { AtomicFile, writeAllAtomically, writeAtomically } from '../../../src/files/atomicFile';
import { clearFaults, failOn, limitWrites, type FaultyCall } from '../../support/fileFaults';
import { temporaryFolder } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

const root = temporaryFolder();
const text = (value: string): Uint8Array => Buffer.from(value);
const posix = process.platform !== 'win32';
let folder: string;
let tests = 0;
const here = (name: string): string => join(folder, name);
const write = (target: string, content: string): Promise<void> =>
  writeAtomically(target, (file) => file.write(text(content)));

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(folder);
  process.env['QUANTSCOPE_CACHE'] = join(root, `cache-${tests}`);
});
afterEach(() => {
  clearFaults();
  delete process.env['QUANTSCOPE_CACHE'];
});

/** What notes of files being written say. */
const notes = (): unknown[] => {
  const path = join(root, `cache-${tests}`, 'partials');
  if (!existsSync(path)) return [];
  return readdirSync(path).map((name) => JSON.parse(readFileSync(join(path, name), 'utf8')) as unknown);
};
const ioError = (message: string, file: string): object => ({
  ...{ code: 'IO', message: `${message} (${file})`, place: { file } },
});
const requestError = (message: string, file: string): object => ({
  ...{ code: 'REQUEST', message: `${message} (${file})`, place: { file } },
});

describe('AtomicFile', () => {
  it('shows the old content until commit, then the new, and leaves no other file', async () => {
    writeFileSync(here('a.bin'), 'old');
    const file = await AtomicFile.create(here('a.bin'));
    await file.write(text('new '));
    await file.write(text('content'));
    expect(file.bytesWritten).toBe(11);
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('old');
    expect(notes()).toEqual([{ partials: [file.temporary], moves: [] }]);
    await file.finish();
    await file.commit();
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('new content');
    expect(readdirSync(folder)).toEqual(['a.bin']);
    expect(notes()).toEqual([]);
  });

  it('keeps the old content and leaves nothing else when the caller fails', async () => {
    writeFileSync(here('a.bin'), 'old');
    const failing = writeAtomically(here('a.bin'), async (file) => {
      await file.write(text('half'));
      throw new Error('stop');
    });
    await expect(failing).rejects.toThrow('stop');
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.bin']);
    expect(notes()).toEqual([]);
  });

  it('continues writing where the operating system accepted only part of the bytes', async () => {
    limitWrites(3);
    await write(here('a.bin'), 'ten bytes.');
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('ten bytes.');
    limitWrites(0);
    const full = 'The file cannot be written: the operating system accepts no more bytes';
    await expect(write(here('a.bin'), 'x')).rejects.toMatchObject(ioError(full, here('a.bin')));
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('ten bytes.');
  });

  it('makes the folder, and removes it when the file is discarded', async () => {
    const file = await AtomicFile.create(join(folder, 'deep', 'er', 'b.bin'));
    expect(existsSync(join(folder, 'deep', 'er'))).toBe(true);
    await file.discard();
    expect(readdirSync(folder)).toEqual([]);
  });

  it('leaves folders that were there, and those that others use', async () => {
    mkdirSync(here('there'));
    await (await AtomicFile.create(join(folder, 'there', 'a.bin'))).discard();
    const shared = await AtomicFile.create(join(folder, 'new', 'deep', 'b.bin'));
    writeFileSync(here('new/other.bin'), '');
    await shared.discard();
    expect(readdirSync(folder, { recursive: true }).sort()).toEqual([
      'new',
      join('new', 'other.bin'),
      'there',
    ]);
  });

  it('is discarded although its temporary file is gone', async () => {
    const file = await AtomicFile.create(join(folder, 'new', 'b.bin'));
    unlinkSync(file.temporary);
    await file.discard();
    expect(readdirSync(folder)).toEqual([]);
    expect(notes()).toEqual([]);
  });

  it('stays in place when it is discarded after that', async () => {
    const file = await AtomicFile.create(here('new/a.bin'));
    await file.write(text('new'));
    await file.finish();
    await file.commit();
    await file.discard();
    expect(readFileSync(here('new/a.bin'), 'utf8')).toBe('new');
  });

  it('replaces a single file in one step', async () => {
    writeFileSync(here('a.bin'), 'old');
    failOn('rename', new RegExp(`^${folder}`), { nth: 2 });
    await write(here('a.bin'), 'new');
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('new');
  });

  it('writes to names as long as the file system allows', async () => {
    const name = `${'ä'.repeat(125)}.gguf`;
    await write(here(name), 'x');
    expect(readdirSync(folder)).toEqual([name]);
  });
});

describe.skipIf(!posix)('special targets', () => {
  it('keeps the permissions of the file that is replaced', async () => {
    for (const mode of [0o600, 0o640, 0o755, 0o666]) {
      writeFileSync(here('a.bin'), 'old');
      chmodSync(here('a.bin'), mode);
      await write(here('a.bin'), `${mode}`);
      expect(readFileSync(here('a.bin'), 'utf8')).toBe(`${mode}`);
      expect(statSync(here('a.bin')).mode & 0o777).toBe(mode);
    }
  });

  it('gives a new file the permissions that the umask leaves', async () => {
    const umask = process.platform === 'linux' ? umaskOfProcess() : 0o022;
    await write(here('new.bin'), 'x');
    expect(statSync(here('new.bin')).mode & 0o777).toBe(0o666 & ~umask);
  });

  it('follows symbolic links and keeps them', async () => {
    mkdirSync(here('store'));
    writeFileSync(here('store/real.bin'), 'old');
    symlinkSync(join('store', 'real.bin'), here('one.bin'));
    symlinkSync(here('one.bin'), here('two.bin'));
    await write(here('two.bin'), 'new');
    expect(readFileSync(here('store/real.bin'), 'utf8')).toBe('new');
    expect(readlinkSync(here('two.bin'))).toBe(here('one.bin'));
    expect(readlinkSync(here('one.bin'))).toBe(join('store', 'real.bin'));
    expect(readdirSync(here('store'))).toEqual(['real.bin']);
  });

  it('has paths with and without links, and the result of what filled it', async () => {
    writeFileSync(here('real.bin'), 'old');
    symlinkSync('real.bin', here('link.bin'));
    const fill = (file: AtomicFile): Promise<string[]> =>
      Promise.resolve([file.target, file.destination].map((path) => path.slice(folder.length + 1)));
    expect(await writeAtomically(here('link.bin'), fill)).toEqual(['link.bin', 'real.bin']);
    expect(
      await writeAllAtomically([here('one'), here('two')], (_, index) => Promise.resolve(index)),
    ).toEqual([0, 1]);
  });

  it('leaves no folder that was made for several files of which one fails', async () => {
    const fill = (file: AtomicFile, index: number): Promise<void> =>
      index === 0 ? file.write(text('x')) : Promise.reject(new Error('the second fails'));
    await expect(writeAllAtomically([here('new/a/one'), here('new/a/two')], fill)).rejects.toThrow('second');
    expect(existsSync(here('new'))).toBe(false);
  });

  it('writes the file that a link points to before there is one', async () => {
    symlinkSync('later.bin', here('link.bin'));
    await write(here('link.bin'), 'new');
    expect(readFileSync(here('later.bin'), 'utf8')).toBe('new');
    expect(lstatSync(here('link.bin')).isSymbolicLink()).toBe(true);
  });

  const pipe = (name: string): string => {
    execFileSync('mkfifo', [here(name)]);
    return here(name);
  };
  const linkTo = (target: string, name: string): string => {
    symlinkSync(target, here(name));
    return here(name);
  };
  const isFolder = 'The output is a folder; name a file in it.';
  const isSpecial =
    'The output exists and is not a regular file (a device, a pipe or a socket); nothing was written to it.';
  const tooManyLinks = 'The output is a chain of more than 40 symbolic links.';
  it.each([
    ['a folder', () => folder, isFolder],
    ['a link to a folder', () => linkTo(folder, 'up'), isFolder],
    // Not /dev/null: a fault would cost the machine its own.
    ['a pipe', () => pipe('pipe'), isSpecial],
    ['a link to a pipe', () => linkTo(pipe('pipe'), 'link'), isSpecial],
    ['a ring of links', () => linkTo('ring', 'ring'), tooManyLinks],
  ])('rejects %s, and changes nothing', async (_, target, message) => {
    const path = target();
    const before = lstatSync(path);
    await expect(write(path, 'x')).rejects.toMatchObject(requestError(message, path));
    expect(lstatSync(path).ino).toBe(before.ino);
  });

  it('follows 40 links, and no more', async () => {
    for (let link = 1; link <= 41; link++) linkTo(`link-${link - 1}`, `link-${link}`);
    await write(here('link-40'), 'new');
    expect(readFileSync(here('link-0'), 'utf8')).toBe('new');
    await expect(write(here('link-41'), 'x')).rejects.toMatchObject(
      requestError(tooManyLinks, here('link-41')),
    );
  });

  it('rejects a write-protected file, and changes nothing', async () => {
    writeFileSync(here('a.bin'), 'old');
    failOn('access', /a\.bin$/, { code: 'EACCES' }); // root may write it whatever its permissions
    const message =
      'The output exists and is write-protected; change its permissions or choose another name.';
    await expect(write(here('a.bin'), 'x')).rejects.toMatchObject(requestError(message, here('a.bin')));
    expect(readFileSync(here('a.bin'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['a.bin']);
  });

  it('rejects two outputs of one name', async () => {
    writeFileSync(here('a'), 'old');
    symlinkSync('a', here('c'));
    const message = 'Two outputs would be the same file; give them different names.';
    for (const second of ['a', 'A', './x/../a', 'c'])
      await expect(
        writeAllAtomically([here('a'), join(folder, second)], (file) => file.write(text('x'))),
        second,
      ).rejects.toMatchObject(requestError(message, join(folder, second)));
    expect(readFileSync(here('a'), 'utf8')).toBe('old');
  });
});

function umaskOfProcess(): number {
  const [, umask = '022'] = /^Umask:\s*(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8')) ?? [];
  return parseInt(umask, 8);
}

describe('an error of the operating system', () => {
  const partial = /target\.bin\.\w+\.partial/;
  const cases: readonly (readonly [FaultyCall, RegExp, string])[] = [
    ['open', /\.partial$/, 'created'],
    ['chmod', /\.partial$/, 'created'],
    ['write', /\.partial$/, 'written'],
    ['sync', /\.partial$/, 'written'],
    ['close', /\.partial$/, 'written'],
    ['rename', /\.partial → .*target\.bin$/, 'put in place'],
  ];
  it.each(cases)(
    'in %s leaves the old file and nothing else, and names the output',
    async (call, path, what) => {
      writeFileSync(here('target.bin'), 'old');
      if (posix) chmodSync(here('target.bin'), 0o640);
      failOn(call, path, { code: 'ENOSPC' });
      await expect(write(here('target.bin'), 'new')).rejects.toMatchObject({
        code: 'IO',
        message: expect.stringMatching(new RegExp(`cannot be ${what}: ENOSPC: planted, ${call}`)) as string,
        place: { file: here('target.bin') },
      });
      expect(readFileSync(here('target.bin'), 'utf8')).toBe('old');
      if (posix) expect(statSync(here('target.bin')).mode & 0o777).toBe(0o640);
      expect(readdirSync(folder)).toEqual(['target.bin']);
      expect(notes()).toEqual([]);
    },
  );

  it('in examining the target is reported, and nothing is written', async () => {
    writeFileSync(here('target.bin'), 'old');
    failOn('stat', /target\.bin$/, { code: 'EACCES' });
    const message = `The output file cannot be examined: EACCES: planted, stat of ${here('target.bin')}`;
    await expect(write(here('target.bin'), 'new')).rejects.toMatchObject(
      ioError(message, here('target.bin')),
    );
    expect(readFileSync(here('target.bin'), 'utf8')).toBe('old');
    expect(readdirSync(folder)).toEqual(['target.bin']);
  });

  it('in making the folder is reported', async () => {
    writeFileSync(here('file'), 'old');
    await expect(write(here('file/a.bin'), 'new')).rejects.toMatchObject({
      ...{ code: 'REQUEST', place: { file: here('file/a.bin') } },
      message: `The output would be inside ${here('file')}, which is not a folder. (${here('file/a.bin')})`,
    });
    failOn('access', new RegExp(`${folder}$`), { code: 'EROFS' });
    const message = `The output would be inside ${folder}, which cannot be written to (EROFS: planted, access of ${folder}); choose another place.`;
    await expect(write(here('a/b.bin'), 'new')).rejects.toMatchObject({
      ...{ code: 'REQUEST', place: { file: here('a/b.bin') } },
      message: `${message} (${here('a/b.bin')})`,
    });
    expect(readdirSync(folder)).toEqual(['file']);
    expect(notes()).toEqual([]);
  });

  it.each(['close', 'rm'] as const)('is reported, not one of %s that follows from it', async (call) => {
    writeFileSync(here('target.bin'), 'old');
    failOn('write', partial, { code: 'ENOSPC' });
    failOn(call, partial, { code: 'EBADF' });
    await expect(write(here('target.bin'), 'new')).rejects.toThrow('ENOSPC: planted, write');
    expect(readFileSync(here('target.bin'), 'utf8')).toBe('old');
  });

  it('after the file is in place leaves the new one', async () => {
    writeFileSync(here('target.bin'), 'old');
    failOn('sync', new RegExp(`${folder}$`));
    await expect(write(here('target.bin'), 'new')).rejects.toMatchObject(
      ioError(`The file cannot be put in place: EIO: planted, sync of ${folder}`, here('target.bin')),
    );
    expect(readFileSync(here('target.bin'), 'utf8')).toBe('new');
    expect(readdirSync(folder)).toEqual(['target.bin']);
  });

  it('in removing the temporary file leaves the note by which a later start removes it', async () => {
    failOn('write', partial);
    failOn('rm', partial);
    await expect(write(here('target.bin'), 'new')).rejects.toThrow('planted, write');
    const [left] = readdirSync(folder);
    expect(left).toMatch(partial);
    expect(notes()).toEqual([{ partials: [here(left!)], moves: [] }]);
  });
});

describe('several files', () => {
  const parts = ['m-1.gguf', 'm-2.gguf', 'm-3.gguf'];
  const writeParts = (content: string): Promise<void[]> =>
    writeAllAtomically(parts.map(here), (file, part) => file.write(text(`${content} ${part}`)));
  const contents = (): string[] => parts.map((part) => readFileSync(here(part), 'utf8'));

  it('are put in place together and keep permissions', async () => {
    await writeParts('old');
    if (posix) chmodSync(here(parts[1]!), 0o600);
    await writeParts('new');
    expect(contents()).toEqual(['new 0', 'new 1', 'new 2']);
    if (posix) expect(statSync(here(parts[1]!)).mode & 0o777).toBe(0o600);
    expect(readdirSync(folder).sort()).toEqual(parts);
    expect(notes()).toEqual([]);
  });

  it('leave an old one that cannot be removed to a later start', async () => {
    await writeParts('old');
    failOn('rm', /m-2\.gguf\.\w+\.partial$/);
    await writeParts('new');
    expect(contents()).toEqual(['new 0', 'new 1', 'new 2']);
    const left = readdirSync(folder).filter((name) => !parts.includes(name));
    expect(left).toEqual([expect.stringMatching(/^\.m-2\.gguf\.\w+\.partial$/)]);
    const [note, ...more] = notes() as { partials: string[] }[];
    expect(more).toEqual([]);
    expect(note!.partials).toHaveLength(3);
    expect(note!.partials).toContain(here(left[0]!));
  });

  it('are all new ones when only the folder cannot be made durable', async () => {
    await writeParts('old');
    failOn('sync', new RegExp(`${folder}$`));
    await expect(writeParts('new')).rejects.toMatchObject(
      ioError(`The file cannot be put in place: EIO: planted, sync of ${folder}`, folder),
    );
    expect(contents()).toEqual(['new 0', 'new 1', 'new 2']);
    expect(readdirSync(folder).sort()).toEqual(parts);
    expect(notes()).toEqual([]);
  });

  it.each([1, 2, 3, 4, 5, 6])('are all old ones when rename %d of 6 fails', async (nth) => {
    await writeParts('old');
    failOn('rename', new RegExp(`^${folder}`), { nth, code: 'EBUSY' });
    await expect(writeParts('new')).rejects.toMatchObject({
      code: 'IO',
      message: expect.stringMatching(/cannot be put in place: EBUSY.*m-\d\.gguf\)$/) as string,
    });
    expect(contents()).toEqual(['old 0', 'old 1', 'old 2']);
    expect(readdirSync(folder).sort()).toEqual(parts);
  });

  it('are all old ones when the last cannot be filled', async () => {
    await writeParts('old');
    failOn('write', /m-3\.gguf/);
    await expect(writeParts('new')).rejects.toThrow('planted, write');
    expect(contents()).toEqual(['old 0', 'old 1', 'old 2']);
    expect(readdirSync(folder).sort()).toEqual(parts);
  });
});
