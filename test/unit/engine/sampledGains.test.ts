import { join } from 'node:path';
import { expect, it } from 'vitest';
import { compareGains } from '../../../src/ampq/gainsTransfer';
import { makePlan, parsePlan, printPlan } from '../../../src/ampq/planFile';
import { parseJson } from '../../../src/model/json';
import { planRung, rungText } from '../../../src/protocol/rungs';
import { tableNotes } from '../../../src/protocol/tableNotes';
import { verdictOf } from '../../../src/protocol/verdict';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';

const cacheDir = join(temporaryFolder(), 'cache');
const { request } = engineJobs(cacheDir);
const params = {
  ...({ path: sampleFolder, device: 'cpu', cacheDir } as const),
  ...{ text: join(sampleFolder, 'generated-calibration.txt'), tokens: 512, context: 256 },
  formats: ['Q3_K', 'Q4_K', 'Q5_K', 'Q6_K'],
};

it('gains of three of six blocks give nearly the plans of all, and say that they are interpolated', async () => {
  const estimate = await request('sensitivity/estimate', { ...params, sampleBlocks: 3 });
  expect(estimate.sample).toEqual({ measured: 3, blocks: 6 });
  // The process, states of 23 tensors and twice the unchanged model, and a block.
  const block = 2 * 256 * 256 + 2 * 128 * 256 + 3 * 768 * 256 + 2 * 256;
  const memory = 110e6 + 4 * ((23 + 2) * 512 * 256 + block);
  expect([estimate.passes, estimate.memory]).toEqual([1, memory]);
  const sampled = await request('sensitivity/run', { ...params, sampleBlocks: 3 });
  const measured = sampled.rows.filter((row) => row.measured).map(({ tensor }) => tensor);
  expect(measured).toHaveLength(2 + 3 * 7);
  expect(measured.every((name) => /^(token_embd|output|blk\.[035]\.)/.test(name))).toBe(true);
  const { deviation = 0, ...sample } = sampled.gainsFrom!.sample!;
  expect(sample).toEqual({ measured: 3, blocks: 6 });

  // Gains of a sample do not serve a request for all; those of all serve one for a sample.
  const all = await request('sensitivity/run', params);
  expect(all.gainsFrom!.sample).toBeUndefined();
  const again = await request('sensitivity/estimate', { ...params, sampleBlocks: 3 });
  expect([again.sample, again.text!.isKept]).toEqual([undefined, true]);

  const gains = new Map(all.rows.map(({ tensor, gain }) => [tensor, gain!]));
  for (const { tensor, gain } of sampled.rows.filter((row) => row.measured))
    expect(gain! / gains.get(tensor)!).toBeCloseTo(1, 3);
  const { spread, plans } = compareGains(all, sampled);
  expect(spread).toBeLessThan(2);
  expect(deviation).toBeGreaterThan(spread);
  expect(plans.map(({ bitsPerWeight }) => bitsPerWeight)).toEqual([3.5, 4, 4.5, 5, 6]);
  for (const { own, transferred } of plans) expect(transferred / own).toBeLessThan(1.1);

  const plan = makePlan(sampled, { kind: 'bits-per-weight', value: 4.6 });
  expect(parsePlan(parseJson(printPlan(plan)), 'p.ampq.json').gains).toEqual(plan.gains);
  expect(rungText(planRung(plan), plan)).toMatch(
    /^rung 3 of 4, gains: .*, interpolated from 3 of 6 blocks, without/,
  );
  expect(tableNotes(sampled)).toEqual([
    expect.stringMatching(
      /^Gains of the tensors in blocks are interpolated from 3 of 6 blocks, by role over depth; they are exact to a factor of about \d\.\d\d /,
    ),
  ]);
  expect(plan.preset).toBeDefined();
  const verdict = verdictOf(plan)!;
  expect(verdict.recommended).toBe(false);
  expect(verdict.text).toMatch(
    /by gains interpolated from 3 of 6 blocks: .*\. Measure both with quantscope certify\.$/,
  );
});

it('a sample of fewer than three blocks is rejected', async () => {
  const refused = request('sensitivity/run', { ...params, sampleBlocks: 2 });
  await expect(refused).rejects.toThrow(/"sampleBlocks" .*2/);
});
