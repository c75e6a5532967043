import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeAll, describe, expect, it } from 'vitest';
import type { Plan } from '../../../src/protocol/plan';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { buildPrograms, runProgram, type Ended, type Programs } from '../../support/programs';

const folder = temporaryFolder();
const text = join(sampleFolder, 'generated-calibration.txt');
let programs: Programs;

beforeAll(async () => {
  programs = await buildPrograms();
});

const recommend = (out: string, ...options: string[]): Promise<Ended> =>
  runProgram(
    programs.cli,
    ['recommend', sampleFolder, '--out', join(folder, out), '--device', 'cpu', ...options],
    {
      cache: folder,
    },
  );

async function planOf(out: string, ...goal: string[]): Promise<Plan> {
  const gains = ['--text', text, '--tokens', '512', '--context', '128', '--codes', 'reference'];
  const { code, stderr } = await recommend(out, ...goal, ...gains);
  expect(code, stderr).toBe(0);
  return JSON.parse(readFileSync(join(folder, out), 'utf8')) as Plan;
}

describe('quantscope recommend --kld', () => {
  it('writes the smallest file that is predicted to diverge so little', async () => {
    const plan = await planOf('smallest.ampq.json', '--kld', '0.002');
    expect(plan.total.divergence).toBeLessThanOrEqual(0.002);
    expect(plan.budget).toEqual({ kind: 'bytes', value: plan.total.fileBytes });
    expect(plan.targets).toEqual({ mean: 0.002 });
    const smaller = await planOf('smaller.ampq.json', '--budget', `${plan.total.fileBytes! - 32}B`);
    expect(smaller.total.divergence).toBeGreaterThan(0.002);
  });

  it('writes the smallest file that is predicted to keep the strictest of several targets', async () => {
    const plan = await planOf('targets.ampq.json', '--kld', '0.01', '--p99', '0.02', '--same-top', '90');
    expect(plan.targets).toEqual({ mean: 0.01, percentile99: 0.02, sameTopToken: 0.9 });
    // The quantile is several times the mean.
    expect(plan.total.divergence).toBeLessThan(0.02 / 4);
    expect(plan.total.divergence).toBeGreaterThan(0.02 / 9);
  });

  it.each([
    [[], /Give --budget, or --kld, --p99 or --same-top for the smallest file/],
    [['--budget', '4bpw', '--kld', '0.001'], /Give --budget, or --kld, --p99 or --same-top for/],
    [
      ['--kld', '0.001', '--weights-only'],
      /--kld, --p99 and --same-top need gains over a text: leave out --weights-only/,
    ],
    [['--kld', '0'], /--kld takes a KL divergence in nats per token, such as 0\.001, not "0"/],
    [['--kld', 'small'], /not "small"/],
    [['--same-top', '100'], /--same-top takes a share of tokens in percent, such as 97\.5, not "100"/],
  ])('ends with 2 and a hint for %j', async (options, hint) => {
    const { code, stderr } = await recommend('none.ampq.json', ...options);
    expect([code, stderr]).toEqual([2, expect.stringMatching(hint)]);
  });
});
