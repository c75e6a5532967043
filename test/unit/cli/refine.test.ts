import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { JobContext } from '../../../src/engine/job';
import { exportGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { refineCommand } from '../../../src/cli/refine';
import type { CommandContext } from '../../../src/cli/command';
import type { RefinementPoint, RefinementResult } from '../../../src/protocol/refinement';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const at = (name: string): string => join(folder, name);
const text = join(sampleFolder, 'generated-calibration.txt');
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
  await writeCheckpoint(at('llama'), 'llama');
  const model = await openModel(at('llama'));
  await exportGguf(model, { type: 'Q4_0' }, at('start.gguf'));
  await model.close();
});

const refine = (...more: string[]): Promise<Ended> =>
  runProgram(
    programs.cli,
    [
      ...['refine', at('start.gguf'), '--original', at('llama'), '--text', text, '--device', 'cpu'],
      ...['--context', '16', '--tokens', '320', '--batch', '2', ...more],
    ],
    { cache: folder },
  );

it('says what a refinement would take, and writes nothing', async () => {
  const { code, stdout, stderr } = await refine('--steps', '8', '--dry-run');
  expect(code, stderr).toBe(0);
  expect(stdout).toMatch(/^About \d+ \w+ for 8 steps; .+ of memory and .+ on disk\./);
  expect(existsSync(at('out.gguf'))).toBe(false);
});

it('prints the curve of a refinement, and the best state that was written', async () => {
  const out = at('out.gguf');
  const { code, stdout, stderr } = await refine('--steps', '4', '--train', 'factors', '--out', out);
  expect(code, stderr).toBe(0);
  expect(stderr).toMatch(/About \d+ \w+ for 4 steps/);
  expect(stdout).toMatch(/^ +0 +\S+\n +1 +\S+\n +2 +\S+\n +3 +\S+\n +4 +\S+\n/m);
  expect(stdout).toContain('trained in 4 steps on 288 tokens, measured on 32 others');
  expect(stdout).toContain(`Written: ${out} (`);
  const again = await refine('--steps', '4', '--train', 'factors', '--out', out, '--json');
  const { points, best } = JSON.parse(again.stdout) as RefinementResult;
  expect(points).toHaveLength(5);
  expect(points).toContainEqual(best);
});

it('rejects what it does not know, and a run that cannot be finished', async () => {
  const unknown = await refine('--out', at('no.gguf'), '--train', 'norms');
  expect(unknown.code).toBe(2);
  expect(unknown.stderr).toContain('--train takes factors or codes, not "norms".');
  const missing = await refine();
  expect([missing.code, missing.stderr.split('\n')[0]]).toEqual([2, 'quantscope: --out is missing.']);
  const both = await refine('--finish', '--dry-run');
  expect([both.code, both.stderr]).toEqual([2, expect.stringMatching(/--finish and --dry-run are mutually/)]);
  const none = await refine('--out', at('no.gguf'), '--finish');
  expect(none.code).toBe(1);
  expect(none.stderr).toContain('There is no run of these settings that could be finished.');
});

describe('a run that fails', () => {
  /** What is said of one that had measured these divergences. */
  async function said(points: readonly RefinementPoint[]): Promise<string[]> {
    const notes: string[] = [];
    const estimate = { steps: 8, done: 0, seconds: 1, disk: 1, memory: 1 };
    const context = {
      ...{ model: { path: at('start.gguf') }, signal: new AbortController().signal },
      ...{ options: { original: at('llama'), text, out: at('no.gguf') }, evaluationDir: folder },
      ...{ note: (line: string) => notes.push(line), progress: () => undefined },
      jobs: {
        'refinement/estimate': () => Promise.resolve(estimate),
        'refinement/run': (_: unknown, { progress }: JobContext) => {
          progress({ message: 'measured', done: 0, total: 8, refinement: { steps: 8, points } });
          return Promise.reject(new Error('not finite'));
        },
      },
    } as unknown as CommandContext;
    await expect(refineCommand.run(context)).rejects.toThrow('not finite');
    return notes.slice(1);
  }

  it('names the best state that it has reached, and none where no step was better', async () => {
    const start = { step: 0, divergence: 0.002 };
    expect(await said([start, { step: 2, divergence: 0.001 }, { step: 4, divergence: 0.003 }])).toEqual([
      'The state after 2 steps is kept: --finish writes it.',
    ]);
    expect(await said([start, { step: 2, divergence: 0.003 }])).toEqual([]);
    expect(await said([])).toEqual([]);
  });
});
