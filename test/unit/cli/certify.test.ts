import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Certificate } from '../../../src/protocol/certificate';
import type { Plan } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const calibration = join(sampleFolder, 'generated-calibration.txt');
const text = join(sampleFolder, 'generated-eval.txt');
const planFile = join(folder, 'plan.ampq.json');
let programs: Programs;

const quantscope = (...args: string[]): Promise<Ended> => runProgram(programs.cli, args, { cache: folder });
const readPlan = (file: string): Plan => JSON.parse(readFileSync(file, 'utf8')) as Plan;

beforeAll(async () => {
  programs = await buildPrograms();
  const gains = ['--text', calibration, '--tokens', '512', '--context', '128', '--codes', 'reference'];
  const made = await quantscope(
    ...['recommend', sampleFolder, '--budget', '3178560B', '--out', planFile, '--device', 'cpu', ...gains],
  );
  expect(made.code, made.stderr).toBe(0);
});

/** With usual values of the options that are not given. */
function certify(...given: string[]): Promise<Ended> {
  const usual = { '--plan': planFile, '--context': '128', '--windows': '8', '--device': 'cpu' };
  const rest = Object.entries(usual).filter(([name]) => !given.includes(name));
  return quantscope('certify', sampleFolder, ...rest.flat(), ...given);
}

describe('quantscope certify', () => {
  it('prints the plan against presets and a random assignment, and writes it with the result', async () => {
    const { code, stdout, stderr } = await certify('--text', text);
    expect(code, stderr).toBe(0);
    const { certificate, gains } = readPlan(planFile);
    expect(gains).toMatchObject({ text: 'generated-calibration.txt', tokens: 512, context: 128 });
    expect(certificate!.text).toMatchObject({ file: 'generated-eval.txt', windows: 8 });
    expect(stdout).toContain('generated-eval.txt: 8 windows of 128, 504 tokens scored.');
    for (const name of ['plan', 'Q4_K_M', 'random']) expect(stdout).toMatch(new RegExp(`^${name} `, 'm'));
    const ratio = certificate!.measured.mean.value / certificate!.predicted!;
    expect(stdout).toContain(`Measured over predicted: ${ratio.toFixed(2)}\n`);
    expect(stdout).toMatch(/^(Better than the presets|Not recommended)/m);
  });

  it('ends with 1 and the targets that the plan misses', async () => {
    const own = readPlan(planFile);
    const withTargets = join(folder, 'targets.ampq.json');
    const kept = { mean: 1, percentile99: 1, sameTopToken: 0.5 };
    writeFileSync(withTargets, JSON.stringify({ ...own, targets: { ...kept, mean: 1e-6, sameTopToken: 1 } }));
    const missed = await certify('--text', text, '--plan', withTargets);
    expect(missed.code).toBe(1);
    expect(missed.stderr).toMatch(
      /The plan misses its targets: the mean KL divergence is 0\.00\d+, not 0\.000001; the share of tokens with the same most probable token is 9\d\.\d+ %, not 100 %\./,
    );
    writeFileSync(withTargets, JSON.stringify({ ...own, targets: kept }));
    const { code, stdout } = await certify('--text', text, '--plan', withTargets);
    expect([code, stdout]).toEqual([0, expect.stringContaining('All targets of the plan are kept.')]);
    expect(stdout).toContain('Evidence: rung 4 of 4, joint: measured with all tensors together');
  });

  it('writes to another file and gives the figures as JSON, from what was measured before', async () => {
    const out = join(folder, 'other.ampq.json');
    const { code, stdout } = await certify('--text', text, '--out', out, '--json');
    expect(code).toBe(0);
    const result = JSON.parse(stdout) as { certificate: Certificate; recommended: boolean };
    expect(result.certificate).toEqual(readPlan(planFile).certificate);
    expect(readPlan(out)).toEqual(readPlan(planFile));
    expect(result.recommended).toBe(result.certificate.rivals.every(({ difference }) => difference.high < 0));
  });

  it('says what swaps gain', async () => {
    const out = join(folder, 'improved.ampq.json');
    const { code, stdout, stderr } = await certify(
      '--text',
      text,
      '--windows',
      '16',
      '--improve',
      '--out',
      out,
    );
    expect(code, stderr).toBe(0);
    expect(stderr).toMatch(
      /The plan and \d+ others are measured over 16 windows: about \d+ (s|min)\. Improving the plan adds between \d+ (s|min) where no swap is proposed and \d+ (s|min) for 18 swaps\./,
    );
    const { improvement } = readPlan(out).certificate!;
    expect(stdout).toContain('generated-eval.txt: 8 windows of 128, 504 tokens scored.');
    expect(stdout).toMatch(
      improvement!.isAdopted
        ? /^Improved by \d+ of \d+ swaps? measured over 8 other windows: on the windows of the table the difference is −/m
        : /^Nothing gained by swaps: /m,
    );
  });

  it('leaves a plan as it is that was edited while it was measured', async () => {
    const edited = join(folder, 'edited.ampq.json');
    writeFileSync(edited, readFileSync(planFile));
    const measurements = (): number =>
      readdirSync(folder, { recursive: true }).filter((name) => String(name).endsWith('.tokens')).length;
    const before = measurements();
    const running = certify('--plan', edited, '--text', text, '--windows', '9');
    await expect.poll(measurements).toBeGreaterThan(before);
    const content = readFileSync(planFile, 'utf8').replace('{', '{ ');
    writeFileSync(edited, content);
    const { code, stderr } = await running;
    expect([code, readFileSync(edited, 'utf8')]).toEqual([1, content]);
    expect(stderr).toContain('The file was changed while what replaces it was being made');
  });

  it('leaves the plan as it is where the text was seen', async () => {
    const before = readFileSync(planFile);
    const { code, stderr } = await certify('--text', calibration);
    expect([code, readFileSync(planFile)]).toEqual([1, before]);
    expect(stderr).toContain("The plan's gains were measured over this text");
  });

  it.each([
    [['--text', text], /--plan is missing/],
    [['--plan', planFile], /--text is missing/],
  ])('ends with 2 and a hint for %j', async (args, hint) => {
    const { code, stderr } = await quantscope('certify', sampleFolder, ...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(hint)]);
  });
});
