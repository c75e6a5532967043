import { describe, expect, it } from 'vitest';
import { candidateOf, type Candidates } from '../../../src/ampq/candidates';
import { unchanged } from '../../../src/architectures/convertedTensor';
import { presetRivals, randomRival, unmeasuredRivals } from '../../../src/engine/evaluation/rivals';
import { openModel } from '../../../src/layouts/openModel';
import type { Plan } from '../../../src/protocol/plan';
import { sampleFolder } from '../../support/files';

const model = await openModel(sampleFolder);
const matrices = model.description.tensors.filter(({ shape }) => shape.length === 2).slice(0, 6);
await model.close();
const all = (format: string): string[] => matrices.map(() => format);
const candidates: Candidates = {
  tensors: matrices.map((tensor) => candidateOf(unchanged(tensor), 1)),
  ...{ fixedBytes: 0, fixedParameters: 0 },
  presets: [
    { fileType: 'Q6_K', formats: all('Q6_K') },
    { fileType: 'Q4_K_M', formats: all('Q4_K') },
    { fileType: 'Q4_0', formats: all('Q4_0') },
    { fileType: 'Q3_K_M', formats: all('Q3_K') },
    { fileType: 'Q2_K', formats: all('Q2_K') },
  ],
};
const weights = matrices.reduce((sum, { elements }) => sum + elements, 0);
const bytes = (weights * 4.5) / 8;
const frame = { bytes: 1000, alignment: 32 };
const plan: Plan = {
  version: 2,
  model: { name: 'm', hash: 'h', parameters: weights },
  budget: { kind: 'bytes', value: bytes + 1000 },
  total: { bytes, fileBytes: bytes + 1000, bitsPerWeight: 4.5, divergence: 0.001 },
  frame,
  preset: { fileType: 'Q3_K_M', bytes: 1, roleError: 1, divergence: 0.003 },
  notes: [],
  assignments: matrices.map(({ name, elements }) => ({
    ...{ tensor: name, sources: [name], format: 'Q4_K', bitsPerWeight: 4.5, bytes: (elements * 4.5) / 8 },
  })),
};
/** With llama.cpp's codes. */
const reference = { ...candidates, frame };
const named = (...parameters: Parameters<typeof presetRivals>): string[] =>
  presetRivals(...parameters).map(({ fileType, codes }) => `${fileType} ${codes}`);

describe('the presets that a plan has to beat', () => {
  it('are the one predicted to be the best and the two largest within the budget', () => {
    expect(named(plan, candidates, reference)).toEqual([
      'Q3_K_M reference',
      'Q4_K_M reference',
      'Q4_0 reference',
    ]);
    const [best, ...others] = presetRivals(plan, candidates, reference);
    expect(best!.predicted).toBe(0.003);
    for (const other of others) expect(other).toMatchObject({ bytes: bytes + 1000 });
    for (const other of others) expect(other).not.toHaveProperty('predicted');
  });

  it('count with the budget, which the plan need not use up', () => {
    const smaller = { ...plan, total: { ...plan.total, fileBytes: bytes + 900 } };
    expect(named(smaller, candidates, reference)).toContain('Q4_K_M reference');
    const none = {
      ...plan,
      budget: { kind: 'bytes', value: 1 },
      total: { ...plan.total, fileBytes: 1 },
    } as const;
    expect(named(none, candidates, reference)).toEqual([]);
    const bits = { ...plan, frame, budget: { kind: 'bits-per-weight', value: 6.5625 } } as const;
    expect(named(bits, candidates, reference)).toContain('Q6_K reference');
  });

  it('have codes of both kinds where those of the plan are optimised, each with the header of its file', () => {
    const codes = { method: 'gptq-cd 1', text: 't', hash: 'h', tokens: 1, objective: 'two-sided' as const };
    const larger = { ...plan, codes, frame: { bytes: 1200, alignment: 32 } };
    expect(named(larger, candidates, reference)).toEqual([
      ...['Q3_K_M optimised', 'Q2_K optimised', 'Q3_K_M reference', 'Q4_K_M reference', 'Q4_0 reference'],
    ]);
    const predicted = presetRivals(larger, candidates, reference).map((rival) => rival.predicted);
    expect(predicted).toEqual([0.003, ...new Array<undefined>(4).fill(undefined)]);
  });

  it('are those that llama.cpp can write without an importance matrix, where the codes are its own', () => {
    const codes = { method: 'gptq-cd 6', text: 't', hash: 'h', tokens: 1, objective: 'two-sided' as const };
    const low = { fileType: 'IQ3_XXS', formats: all('IQ3_XXS') };
    const more = { ...candidates, presets: [low, ...candidates.presets] };
    const larger = { ...plan, codes, preset: { ...plan.preset!, fileType: 'IQ3_XXS' } };
    expect(named(larger, more, reference)).toContain('IQ3_XXS optimised');
    expect(named(larger, more, reference)).not.toContain('IQ3_XXS reference');
  });

  it('that need an importance matrix are named where they are within the budget', () => {
    const unmeasuredPresets = [
      { fileType: 'IQ1_S', bytes: 10 },
      { fileType: 'IQ3_M', bytes },
      { fileType: 'IQ4_X', bytes: bytes + 1 },
    ];
    expect(unmeasuredRivals(plan, { ...candidates, unmeasuredPresets })).toEqual(['IQ3_M', 'IQ1_S']);
  });
});

describe('the control', () => {
  it('has the formats of the plan, another order of them, and at most its size', () => {
    const mixed: Plan = {
      ...plan,
      assignments: plan.assignments.map((item, i) => ({ ...item, format: i % 2 === 0 ? 'Q2_K' : 'Q6_K' })),
    };
    const { assignments } = randomRival(mixed, candidates);
    expect(new Set(assignments.map(({ format }) => format))).toEqual(new Set(['Q2_K', 'Q6_K']));
    expect(assignments).toEqual(randomRival(mixed, candidates).assignments);
    expect(assignments.map(({ format }) => format)).not.toEqual(
      mixed.assignments.map(({ format }) => format),
    );
  });
});
