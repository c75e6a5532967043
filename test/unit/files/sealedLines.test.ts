import type * as Fs from 'node:fs/promises';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterEach, describe, expect, it, vi } from 'vitest';
import { SealedLines } from '../../../src/files/sealedLines';
import { clearFaults, failOn } from '../../support/fileFaults';
import { temporaryFolder } from '../../support/files';

vi.mock('node:fs/promises', async (original) => {
  const { faultyFileSystem } = await import('../../support/fileFaults');
  return faultyFileSystem(await original<typeof Fs>());
});

afterEach(clearFaults);

const taken = async (folder: string): Promise<unknown[]> => {
  const values: unknown[] = [];
  const lines = await SealedLines.open(folder, 'run', (value) => values.push(value));
  await lines.close();
  return values;
};

describe('lines of a run that are kept', () => {
  it('are those that were written before the disk was full, and the run goes on', async () => {
    const folder = temporaryFolder();
    const lines = await SealedLines.open(folder, 'run', () => undefined);
    await lines.append({ n: 1 });
    failOn('appendFile', /run\.jsonl$/, { code: 'ENOSPC' });
    await lines.append({ n: 2 });
    await lines.append({ n: 3 });
    expect(lines.problem).toContain('ENOSPC');
    await lines.close();
    clearFaults();
    expect(await taken(folder)).toEqual([{ n: 1 }]);
  });

  it('are read in a folder that takes no more, which is said once something is to be kept', async () => {
    const folder = temporaryFolder();
    const before = await SealedLines.open(folder, 'run', () => undefined);
    await before.append({ n: 1 });
    await before.close();
    failOn('open', /run\.jsonl$/, { code: 'EROFS' });
    const values: unknown[] = [];
    const lines = await SealedLines.open(folder, 'run', (value) => values.push(value));
    expect([values, lines.problem]).toEqual([[{ n: 1 }], undefined]);
    await lines.append({ n: 2 });
    expect(lines.problem).toContain('EROFS');
    await lines.close();
    clearFaults();
    expect(await taken(folder)).toEqual([{ n: 1 }]);
  });

  it('of two runs at once are those of both', async () => {
    const folder = temporaryFolder();
    const runs = await Promise.all([0, 1].map(() => SealedLines.open(folder, 'run', () => undefined)));
    await Promise.all(
      runs.flatMap((lines, run) =>
        Array.from({ length: 20 }, (_, n) => lines.append({ run, n, filling: 'x'.repeat(5000) })),
      ),
    );
    await Promise.all(runs.map((lines) => lines.close()));
    expect(await taken(folder)).toHaveLength(40);
    expect(readFileSync(join(folder, 'run.jsonl'), 'utf8').split('\n').filter(Boolean)).toHaveLength(40);
  });
});
