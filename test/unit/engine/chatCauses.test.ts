import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import type { CausesParams } from '../../../src/protocol/chat';
import { engineJobs } from '../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const folder = temporaryFolder();
const cacheDir = join(folder, 'cache');
const { request } = engineJobs(cacheDir);
const usual: CausesParams = {
  ...{ path: sampleFolder, cacheDir, device: 'cpu', tokens: [1, 2, 3] },
  variant: { type: 'Q4_0' },
};
const causes = (params: Partial<CausesParams>) => request('chat/causes', { ...usual, ...params });

/** A plan of the sample. */
async function planned(bits: number): Promise<string> {
  const out = join(folder, `${bits}.ampq.json`);
  await request('plan/recommend', {
    ...{ path: sampleFolder, cacheDir, device: 'cpu', weightsOnly: true, out },
    goal: { budget: { kind: 'bits-per-weight', value: bits } },
  });
  return out;
}

describe('the tensors that moved a token', () => {
  it('are none of a variant with the same weights', async () => {
    const found = await causes({ variant: { other: sampleFolder } });
    expect(found).toMatchObject({ divergence: 0, sum: 0, tensors: [] });
  });

  it('have one effect for an embedding that is the output matrix, too', async () => {
    const path = join(folder, 'tied');
    await writeCheckpoint(path, 'llama without a head');
    const { divergence, sum, tensors } = await causes({ path, variant: { type: 'Q4_0' } });
    const embedding = tensors.filter(({ tensor }) => /^(token_embd|output)\.weight$/.test(tensor));
    expect(embedding.map(({ tensor }) => tensor)).toEqual(['token_embd.weight']);
    expect(sum).toBeGreaterThan(0.5 * divergence);
    expect(sum).toBeLessThan(1.5 * divergence);
    expect(tensors.reduce((total, { share }) => total + share, 0)).toBeCloseTo(1, 6);
  });

  it('are those that a plan changes', async () => {
    const { tensors } = await causes({ variant: { planFile: await planned(5) } });
    expect(tensors.length).toBeGreaterThan(30);
    expect(tensors.every(({ effect }) => Number.isFinite(effect))).toBe(true);
  });

  it.each<[string, () => Promise<Partial<CausesParams>>]>([
    [
      'another model',
      async () => {
        const path = join(folder, 'other');
        await writeCheckpoint(path, 'llama');
        return { path, variant: { planFile: await planned(5) } };
      },
    ],
    ['1024 is not a token; the vocabulary has 1024', () => Promise.resolve({ tokens: [1024] })],
    [
      'the context of the model ends at 256',
      () => Promise.resolve({ tokens: Array.from({ length: 257 }, () => 1) }),
    ],
    ['there is no token before the one', () => Promise.resolve({ tokens: [] })],
  ])('are refused: %s', async (message, params) => {
    await expect(causes(await params())).rejects.toThrow(message);
  });
});
