import { describe, expect, it } from 'vitest';
import { engineJobs } from '../support/engineJobs';
import { temporaryFolder } from '../support/files';
import { divergences, hasHeldOut, heldOut } from '../support/sampleFigures';

/** Of what takes long, the base's pass is made once: its states are kept. Speed is not measured, as that takes time, too. */
const settings = { text: heldOut, context: 256, windows: 192, memory: 'streamed' } as const;

describe.skipIf(!hasHeldOut)('the sample, evaluated', () => {
  const { evaluate } = engineJobs(temporaryFolder());

  it('has the mean loss that the training’s own evaluation gave', async () => {
    const { text } = await evaluate({ ...settings, convention: 'sliding' });
    expect(text).toMatchObject({ windows: 192, scoredTokens: 49_152, stride: 256 });
    expect(Math.abs(text!.loss.value - 3.3143)).toBeLessThan(1e-4);
    expect(Math.abs(text!.perplexity.value - 27.5031)).toBeLessThan(0.003);
  });

  it('has llama-perplexity’s perplexity', async () => {
    const { text, variant, bitsPerWeight } = await evaluate(settings);
    expect(text).toMatchObject({ windows: 192, scoredTokens: 192 * 127, convention: 'llama.cpp' });
    expect(Math.abs(text!.perplexity.value - 26.7666)).toBeLessThan(0.01);
    expect(text).not.toHaveProperty('divergence');
    expect([variant, bitsPerWeight]).toEqual(['original', 16]);
  });

  it.each(divergences)(
    'as $type has llama-perplexity’s KL divergence, inputs rounded as its kernels round them',
    async ({ type, mean, sameTop }) => {
      const { text, roundActivations } = await evaluate({ ...settings, type, roundActivations: true });
      const found = text!.divergence!;
      expect([found.base, roundActivations]).toEqual(['the original', true]);
      expect(Math.abs(found.mean.value / mean - 1)).toBeLessThan(0.02);
      if (sameTop !== undefined) expect(Math.abs(found.sameTopToken.value - sameTop)).toBeLessThan(0.002);
    },
  );

  // Below 5 bits per weight the rounding of inputs is small compared with the error of the weights.
  it.each(divergences.filter(({ type }) => /^(Q[23]_K|Q4_K|IQ4_XS)/.test(type)))(
    'as $type is within 10 % of it when only weights are changed',
    async ({ type, mean }) => {
      const { text } = await evaluate({ ...settings, type });
      expect(Math.abs(text!.divergence!.mean.value / mean - 1)).toBeLessThan(0.1);
    },
  );
});
