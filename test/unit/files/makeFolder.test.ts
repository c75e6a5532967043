import { existsSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { openWritableFolder } from '../../../src/files/cacheFolder';
import { makeFolder } from '../../../src/files/makeFolder';
import { temporaryFolder } from '../../support/files';

const folder = temporaryFolder();

it('makes a folder and those above it, and says which was the first', async () => {
  expect(await makeFolder(join(folder, 'a', 'b', 'c'))).toBe(join(folder, 'a'));
  expect(existsSync(join(folder, 'a', 'b', 'c'))).toBe(true);
  expect(await makeFolder(join(folder, 'a', 'd'))).toBe(join(folder, 'a', 'd'));
  expect(await makeFolder(join(folder, 'a'))).toBeUndefined();
  const several = [1, 2, 3].map(() => makeFolder(join(folder, 'together', 'x')));
  await Promise.all(several);
  expect(existsSync(join(folder, 'together', 'x'))).toBe(true);
});

it('fails where a file or a link to nothing is in the way', async () => {
  writeFileSync(join(folder, 'file'), '');
  symlinkSync(join(folder, 'nowhere'), join(folder, 'link'));
  await expect(makeFolder(join(folder, 'file'))).rejects.toMatchObject({ code: 'EEXIST' });
  await expect(makeFolder(join(folder, 'file', 'x'))).rejects.toMatchObject({ code: 'ENOTDIR' });
  await expect(makeFolder(join(folder, 'link'))).rejects.toMatchObject({ code: 'EEXIST' });
});

it.runIf(process.platform === 'linux')('fails where a file system makes no folders', async () => {
  await expect(makeFolder('/proc/nothing/below')).rejects.toMatchObject({ code: 'ENOENT' });
  const { folder: used, problem, close } = await openWritableFolder('/proc/nothing');
  expect(problem).toMatch(/no such file/i);
  expect(existsSync(used)).toBe(true);
  await close();
});
