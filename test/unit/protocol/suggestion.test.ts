import { describe, expect, it } from 'vitest';
import type { GainsSource } from '../../../src/protocol/gains';
import type { Plan, SensitivityRow, SensitivityTable } from '../../../src/protocol/plan';
import { suggestionFrom } from '../../../src/protocol/suggestion';

const gainsFrom: GainsSource = {
  ...{ text: '/texts/a.txt', hash: 'a', tokens: 2048, context: 512, noise: 1e-6, loss: 3, chance: 7 },
};
const codes = {
  ...{ method: 'gptq-cd 2', text: 'c.txt', hash: 'c', tokens: 12_288 },
  objective: 'two-sided' as const,
};
const measured = { format: 'Q4_K', error: 0.01, divergence: 0.005 };

const tableOf = (
  row: Partial<SensitivityRow>,
  change: Partial<SensitivityTable> = {},
  tensor = 'blk.0.ffn_up.weight',
): SensitivityTable =>
  ({
    rows: [{ tensor, sources: ['up.weight'], cells: [], ...row }],
    ...change,
  }) as unknown as SensitivityTable;

const evidenceOf = (table: SensitivityTable): string | undefined =>
  suggestionFrom(table, undefined, 'up.weight').evidence;

describe('the evidence of what is known about a tensor', () => {
  it('is that of the weights alone, of importance, or of codes where there are no gains', () => {
    expect(evidenceOf(tableOf({}))).toBe('rung 0 of 4, weights: errors of the weights alone');
    expect(evidenceOf(tableOf({}, { imatrix: { file: 'i.gguf', hash: 'i' } }))).toBe(
      'rung 1 of 4, importance: errors of the weights, by the importance of their inputs; the importance matrix i.gguf',
    );
    expect(evidenceOf(tableOf({}, { codes }))).toBe(
      'rung 2 of 4, hessian: errors of the outputs over a text; optimised codes (gptq-cd 2 over 12,288 tokens of c.txt, two-sided)',
    );
  });

  it('is not a measurement where a gain was estimated, is of another model, or is not there', () => {
    const rung = /^rung 0 of 4, weights: errors of the weights alone/;
    expect(evidenceOf(tableOf({ gain: 0.5, isEstimated: true }, { gainsFrom }))).toMatch(
      /^rung 0 .*; the KL divergence by a gain that is estimated from the role of the tensor; gains over 2,048 tokens of a\.txt$/,
    );
    expect(
      evidenceOf(tableOf({ gain: 0.5, measured }, { gainsFrom: { ...gainsFrom, model: 'base' } })),
    ).toMatch(/^rung 0 .*; the KL divergence by the gains of another model; .*, of the model base$/);
    expect(evidenceOf(tableOf({}, { gainsFrom }))).toMatch(rung);
  });

  it('says of a gain how it was found and what it includes', () => {
    const sample = { measured: 3, blocks: 6 };
    const by = 'curvature' as const;
    const both = { gainsFrom: { ...gainsFrom, sample, by }, roundsActivations: true as const };
    expect(evidenceOf(tableOf({ gain: 0.5, measured }, both))).toMatch(
      /^rung 3 of 4, gains: .*, by the curvature, with the rounding of activations;/,
    );
    expect(evidenceOf(tableOf({ gain: 0.5 }, both))).toMatch(
      /by the curvature, interpolated from 3 of 6 blocks, with the rounding of activations;/,
    );
    // The output is no block: it was measured, whatever was done for the others.
    expect(evidenceOf(tableOf({ gain: 0.5, measured }, both, 'output.weight'))).toMatch(
      /^rung 3 of 4, gains: effect of each tensor alone on the output, over a text, with the rounding/,
    );
  });

  it('tells that of the plan apart', () => {
    const assignment = { tensor: 'blk.0.ffn_up.weight', sources: ['up.weight'], format: 'Q6_K' };
    const gains = { text: 'b.txt', hash: 'b', tokens: 2048, context: 512, loss: 3, chance: 7 };
    const plan = {
      ...{ gains, total: { bytes: 1, bitsPerWeight: 6.5, divergence: 0.001 }, assignments: [assignment] },
    } as unknown as Plan;
    const table = tableOf({ gain: 0.5, measured }, { gainsFrom });
    const found = suggestionFrom(table, plan, 'up.weight');
    expect(found.plannedBy).toMatch(/^rung 3 of 4/);
    expect(found.differences).toEqual([
      'gains over 2,048 tokens of b.txt, now gains over 2,048 tokens of a.txt',
    ]);
    const own = { ...plan, gains: { ...gains, hash: 'a' } };
    expect(suggestionFrom(table, own, 'up.weight')).not.toHaveProperty('differences');
    expect(suggestionFrom(undefined, plan, 'up.weight')).not.toHaveProperty('differences');
  });
});
