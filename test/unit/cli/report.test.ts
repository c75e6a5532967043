import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import { sampleWeights, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram } from '../../support/programs';

let cli: string;

beforeAll(async () => {
  cli = (await buildPrograms()).cli;
});

/** All files below a folder. */
const filesIn = (folder: string): string[] =>
  existsSync(folder) ? readdirSync(folder, { recursive: true, encoding: 'utf8' }) : [];

describe('quantscope report', () => {
  it('scans, and writes what was found', async () => {
    const [cache, folder] = [temporaryFolder(), temporaryFolder()];
    const out = join(folder, 'sample.html');
    const { code, stdout, stderr } = await runProgram(
      cli,
      ['report', sampleWeights, '--scan', '--out', out, '--json'],
      { cache },
    );
    expect(code, stderr).toBe(0);
    expect(JSON.parse(stdout)).toMatchObject({
      out,
      sections: expect.arrayContaining(['Weights by layer and role']) as string[],
    });
    expect(filesIn(cache).filter((file) => file.endsWith('-scan.jsonl'))).toHaveLength(1);
  });

  it('refuses a form that there is not before it scans', async () => {
    const [cache, folder] = [temporaryFolder(), temporaryFolder()];
    const out = join(folder, 'sample.pdf');
    const { code, stderr } = await runProgram(cli, ['report', sampleWeights, '--scan', '--out', out], {
      cache,
    });
    expect(code).not.toBe(0);
    expect(stderr).toMatch(/written as \.html or \.md/);
    expect(filesIn(cache).filter((file) => file.endsWith('-scan.jsonl'))).toEqual([]);
  });
});
