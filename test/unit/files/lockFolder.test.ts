import { spawnSync } from 'node:child_process';
import { existsSync, readdirSync, utimesSync, writeFileSync } from 'node:fs';
import type * as Fs from 'node:fs/promises';
import { join } from 'node:path';
import { afterEach, expect, it, vi } from 'vitest';
import { lockFolder } from '../../../src/files/lockFolder';
import { processSpace } from '../../../src/files/processSpace';
import { clearFaults, failOn } from '../../support/fileFaults';
import { temporaryFolder } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

const root = temporaryFolder();
afterEach(clearFaults);

it('lets one owner into a folder at a time, and names the process that is in it', async () => {
  const folder = join(root, 'held');
  const unlock = await lockFolder(folder, 'The work');
  await expect(lockFolder(folder, 'The work')).rejects.toMatchObject({
    code: 'REQUEST',
    message: `The work is already running in process ${process.pid}: wait until it ends, or stop it. (${folder})`,
  });
  expect(readdirSync(folder)).toHaveLength(1);
  await unlock();
  expect(existsSync(folder)).toBe(false);
  const again = await lockFolder(folder, 'The work');
  writeFileSync(join(folder, 'kept'), '');
  await again();
  expect(readdirSync(folder)).toEqual(['kept']);
});

it('does not count locks of processes that have ended', async () => {
  const folder = join(root, 'ended');
  await (
    await lockFolder(folder, 'The work')
  )();
  const { pid } = spawnSync('node', ['--version']);
  const unlock = await lockFolder(folder, 'The work');
  writeFileSync(join(folder, `lock-${processSpace()}-${pid}-0-00000000`), '');
  await unlock();
  await (
    await lockFolder(folder, 'The work')
  )();
  expect(existsSync(folder)).toBe(false);
});

it('counts locks of other machines for a day', async () => {
  const folder = join(root, 'elsewhere');
  const unlock = await lockFolder(folder, 'The work');
  const other = join(folder, `lock-${'0'.repeat(16)}-7-0-00000000`);
  writeFileSync(other, '');
  await unlock();
  await expect(lockFolder(folder, 'The work')).rejects.toThrow('in process 7');
  const daysAgo = new Date(Date.now() - 25 * 60 * 60 * 1000);
  utimesSync(other, daysAgo, daysAgo);
  await (
    await lockFolder(folder, 'The work')
  )();
  expect(existsSync(folder)).toBe(false);
});

it('makes a folder again that its last owner removes before the lock is in it', async () => {
  const folder = join(root, 'removed');
  failOn('writeFile', /lock-/, { code: 'ENOENT' });
  const unlock = await lockFolder(folder, 'The work');
  expect(readdirSync(folder)).toHaveLength(1);
  await unlock();
  expect(existsSync(folder)).toBe(false);
});

it('says which folder cannot be locked, and leaves locks that it cannot remove', async () => {
  const folder = join(root, 'full');
  failOn('writeFile', /lock-/, { code: 'ENOSPC' });
  await expect(lockFolder(folder, 'The work')).rejects.toMatchObject({
    ...{ code: 'IO', place: { file: folder } },
    message: expect.stringContaining('The folder cannot be locked: ') as string,
  });
  const { pid } = spawnSync('node', ['--version']);
  const ended = `lock-${processSpace()}-${pid}-0-00000000`;
  writeFileSync(join(folder, ended), '');
  failOn('rm', /-0-00000000$/, { code: 'EACCES' });
  await (
    await lockFolder(folder, 'The work')
  )();
  expect(readdirSync(folder)).toEqual([ended]);
});
