import { readFileSync, statSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, sharedData, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const calibration = join(sampleFolder, 'generated-calibration.txt');
const text = join(sampleFolder, 'generated-eval.txt');
const theirs = join(folder, 'theirs.gguf');
const planFile = join(folder, 'plan.ampq.json');
const cut = { context: 128, windows: 8 } as const;
const { evaluate } = engineJobs(join(folder, 'evaluation'));
let programs: Programs;
let beaten: Ended;

const quantscope = (...args: string[]): Promise<Ended> => runProgram(programs.cli, args, { cache: folder });

interface Beaten {
  readonly plan: Plan;
  readonly rival: {
    readonly bytes: number;
    readonly divergence: number;
    readonly unknown: readonly string[];
    readonly differences: readonly { readonly theirs: { readonly type: string } }[];
  };
}

beforeAll(async () => {
  programs = await buildPrograms();
  const imatrix = join(sharedData, 'imatrix-sample', 'imatrix.gguf');
  const made = await quantscope(
    ...['export', sampleFolder, '--type', 'Q4_K_M', '--imatrix', imatrix, '--out', theirs],
  );
  expect(made.code, made.stderr).toBe(0);
  beaten = await quantscope(
    ...['recommend', sampleFolder, '--beat', theirs, '--out', planFile, '--device', 'cpu', '--json'],
    ...['--text', calibration, '--tokens', '512', '--context', '128', '--codes', 'reference'],
  );
});

describe('quantscope recommend --beat', () => {
  it('plans for at most the bytes of the file, and predicts its types', () => {
    expect(beaten.code, beaten.stderr).toBe(0);
    const { plan, rival } = JSON.parse(beaten.stdout) as Beaten;
    const { size } = statSync(theirs);
    expect([rival.bytes, plan.budget]).toEqual([size, { kind: 'bytes', value: size }]);
    expect(plan.total.fileBytes).toBeLessThanOrEqual(size);
    expect(rival.unknown).toEqual([]);
    expect(rival.divergence).toBeCloseTo(plan.preset!.divergence!, 12); // the file has the types of Q4_K_M
    expect(plan.total.divergence).toBeLessThan(0.8 * rival.divergence);
    expect(rival.differences.length).toBeGreaterThan(5);
    expect(new Set(rival.differences.map((item) => item.theirs.type))).toEqual(new Set(['Q4_K', 'Q6_K']));
  });

  it('measures the weights that the file holds', async () => {
    const { code, stdout, stderr } = await quantscope(
      ...['certify', sampleFolder, '--plan', planFile, '--beat', theirs, '--text', text],
      ...['--context', '128', '--windows', '8', '--device', 'cpu'],
    );
    expect(code, stderr).toBe(0);
    expect(stdout).toMatch(/^theirs\.gguf /m);
    const { certificate } = JSON.parse(readFileSync(planFile, 'utf8')) as Plan;
    const [file] = certificate!.rivals.filter(({ kind }) => kind === 'file');
    const evaluated = await evaluate({ ...cut, path: theirs, against: sampleFolder, text });
    expect(file!.measured.mean.value).toBeCloseTo(evaluated.text!.divergence!.mean.value, 9);
    expect(file).toMatchObject({ name: 'theirs.gguf', fileBytes: statSync(theirs).size });
    const [preset] = certificate!.rivals.filter(({ name }) => name === 'Q4_K_M');
    // The same types without the importance matrix: other weights.
    expect(Math.abs(file!.measured.mean.value / preset!.measured.mean.value - 1)).toBeGreaterThan(0.001);
  });

  it.each([
    [['--beat', theirs, '--budget', '4bpw'], /Give --budget, or --kld/, 2],
    [['--beat', join(sampleFolder, 'model.safetensors')], /this is not one/, 1],
    [['--beat', join(folder, 'absent.gguf')], /absent\.gguf/, 1],
  ])('fails with a hint for %j before anything is measured', async (options, hint, status) => {
    const { code, stderr } = await quantscope(
      ...['recommend', sampleFolder, '--out', join(folder, 'none.ampq.json'), '--weights-only', ...options],
    );
    expect([code, stderr]).toEqual([status, expect.stringMatching(hint)]);
    expect(stderr).not.toContain('This takes about');
  });
});
