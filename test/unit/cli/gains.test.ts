import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { GainsFile } from '../../../src/ampq/gainsFile';
import type { GainsTransfer } from '../../../src/ampq/gainsTransfer';
import type { Plan } from '../../../src/protocol/plan';
import { writeChangedSample } from '../../support/changedSample';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const text = join(sampleFolder, 'generated-calibration.txt');
const over = ['--text', text, '--tokens', '512', '--context', '128'];
const library = join(folder, 'base.gains.json');
/** The sample after a small change of its weights. */
const tuned = join(folder, 'tuned');
let programs: Programs;

const quantscope = (...args: string[]): Promise<Ended> =>
  runProgram(programs.cli, [...args, '--device', 'cpu', '--codes', 'reference'], { cache: folder });

beforeAll(async () => {
  programs = await buildPrograms();
  await writeChangedSample(tuned, (tensor) => (tensor.includes('mlp') ? 'Q5_K' : undefined));
  const { code, stderr } = await quantscope('gains', 'export', sampleFolder, '--out', library, ...over);
  expect(code, stderr).toBe(0);
});

async function planOf(model: string, ...gains: string[]): Promise<{ plan: Plan; stdout: string }> {
  const out = join(folder, 'plan.ampq.json');
  const { code, stdout, stderr } = await quantscope(
    ...['recommend', model, '--budget', '4.5bpw', '--out', out, ...gains],
  );
  expect(code, stderr).toBe(0);
  return { plan: JSON.parse(readFileSync(out, 'utf8')) as Plan, stdout };
}

describe('quantscope gains', () => {
  it('writes gains that give the plan that measuring gives', async () => {
    const gains = JSON.parse(readFileSync(library, 'utf8')) as GainsFile;
    expect(gains).toMatchObject({
      errors: 'weights',
      text: { text: 'generated-calibration.txt', tokens: 512 },
    });
    expect(gains.tensors).toHaveLength(44);
    const measured = await planOf(sampleFolder, ...over);
    const { plan } = await planOf(sampleFolder, '--gains', library);
    expect(plan.assignments.map(({ format }) => format)).toEqual(
      measured.plan.assignments.map(({ format }) => format),
    );
    expect(plan.total.divergence).toBeCloseTo(measured.plan.total.divergence!, 12);
    expect(plan.gains).toEqual(measured.plan.gains);
  });

  it('marks figures by gains that the file lacks, which are estimated', async () => {
    const some = join(folder, 'some.gains.json');
    const gains = JSON.parse(readFileSync(library, 'utf8')) as GainsFile;
    const tensors = gains.tensors.filter(({ tensor }) => tensor !== 'blk.0.attn_q.weight');
    writeFileSync(some, JSON.stringify({ ...gains, tensors }));
    const shown = await quantscope('sensitivity', sampleFolder, '--formats', 'Q4_K', '--gains', some);
    expect(shown.code, shown.stderr).toBe(0);
    expect(shown.stdout).toContain('Those with ~ have a gain estimated from the role of the tensor.\n');
    expect(shown.stdout).toMatch(/^blk\.0\.attn_q\.weight +\S+ +~\S+$/m);
  });

  it('finds those by the curvature, which say so and give a plan that is hardly worse', async () => {
    const curved = join(folder, 'curved.gains.json');
    const { code, stderr } = await quantscope(
      ...['gains', 'export', sampleFolder, '--out', curved, '--curvature'],
      ...['--text', text, '--tokens', '512', '--context', '64'],
    );
    expect(code, stderr).toBe(0);
    const { plan, stdout } = await planOf(sampleFolder, '--gains', curved);
    expect(plan.gains).toMatchObject({ by: 'curvature', tokens: 512 });
    expect(stdout).toContain(
      'Evidence: rung 3 of 4, gains: effect of each tensor alone on the output, over a text, by the curvature',
    );
    const compared = await quantscope(
      ...['gains', 'compare', sampleFolder, '--with', curved, '--json', ...over],
    );
    const { plans, spread } = JSON.parse(compared.stdout) as GainsTransfer;
    expect(spread).toBeGreaterThan(1);
    expect(spread).toBeLessThan(1.5);
    for (const { own, transferred } of plans) expect(transferred / own).toBeLessThan(1.1);
  });

  it('carries them to another model of the same shapes, and says so', async () => {
    const { plan, stdout } = await planOf(tuned, '--gains', library);
    const name = plan.gains!.model!;
    expect(name).toBe((JSON.parse(readFileSync(library, 'utf8')) as GainsFile).model.name);
    expect(stdout).toContain('Evidence: rung 0 of 4, weights');
    expect(plan.notes[0]).toContain(`Gains are those of another model, ${name}.`);
    expect(stdout).toContain(`by the gains of another model (${name})`);
  });

  it('predicts targets of single tokens by them', async () => {
    const { spread } = JSON.parse(readFileSync(library, 'utf8')) as GainsFile;
    const out = join(folder, 'targets.ampq.json');
    const { code, stderr } = await quantscope(
      ...['recommend', tuned, '--p99', '0.02', '--out', out, '--gains', library],
    );
    expect(code, stderr).toBe(0);
    const { targets, total } = JSON.parse(readFileSync(out, 'utf8')) as Plan;
    expect(targets).toEqual({ percentile99: 0.02 });
    const most = 0.02 / spread!.percentile99;
    expect(total.divergence! / most).toBeLessThanOrEqual(1);
    expect(total.divergence! / most).toBeGreaterThan(0.98);
  });

  it('measures what plans lose by them', async () => {
    const { code, stdout, stderr } = await quantscope(
      ...['gains', 'compare', tuned, '--with', library, '--json', ...over],
    );
    expect(code, stderr).toBe(0);
    const { ratio, spread, plans } = JSON.parse(stdout) as GainsTransfer;
    expect(ratio).toBeGreaterThan(0.8);
    expect(ratio).toBeLessThan(1.25);
    expect(spread).toBeGreaterThan(1);
    expect(spread).toBeLessThan(1.5);
    expect(plans.map(({ bitsPerWeight }) => bitsPerWeight)).toEqual([3, 3.5, 4, 4.5, 5, 6]);
    for (const { own, transferred } of plans) {
      expect(transferred).toBeGreaterThanOrEqual(own * (1 - 1e-9));
      expect(transferred).toBeLessThan(1.1 * own);
    }
  });

  it.each([
    [['gains', 'export', sampleFolder], /--out is missing/],
    [['gains', 'export', sampleFolder, '--out', 'x.json'], /must end with \.gains\.json/],
    [['gains', 'compare', sampleFolder], /--with is missing/],
    [['recommend', sampleFolder, '--budget', '4bpw', '--out', 'p', '--gains', 'latest'], /takes cached or a/],
    [
      ['recommend', sampleFolder, '--budget', '4bpw', '--out', 'p', '--gains', 'kld.csv'],
      /do not state the errors/,
    ],
  ])('ends with 2 and a hint for %j', async (args, hint) => {
    const { code, stderr } = await quantscope(...args);
    expect([code, stderr]).toEqual([2, expect.stringMatching(hint)]);
  });
});
