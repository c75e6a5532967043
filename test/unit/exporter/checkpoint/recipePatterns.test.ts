import { describe, expect, it } from 'vitest';
import { whyNotLinear } from '../../../../src/exporter/checkpoint/linearWeights';
import { RecipePatterns } from '../../../../src/exporter/checkpoint/recipePatterns';
import type { TensorDescriptor } from '../../../../src/protocol/model';

describe('patterns of a recipe', () => {
  it('skip modules by name, end, parent or expression', () => {
    const patterns = new RecipePatterns({ rules: [], skip: ['lm_head', 'mlp.gate', 're:.*[02]\\.q_proj$'] });
    const skipped = [
      'lm_head',
      'model.lm_head',
      'layers.0.mlp.gate',
      'layers.0.mlp.gate.x',
      'layers.2.q_proj',
    ];
    const others = ['lm_head2', 'layers.0.mlp.gate_proj', 'layers.1.q_proj', 'layers.2.q_proj.x'];
    expect(skipped.filter((name) => !patterns.skips(name))).toEqual([]);
    expect(others.filter((name) => patterns.skips(name))).toEqual([]);
  });

  it('keep the head where nothing is said', () => {
    const patterns = new RecipePatterns({ rules: [] });
    expect([patterns.skips('lm_head'), patterns.skips('model.layers.0.mlp')]).toEqual([true, false]);
  });

  it('find the first rule, and one without a pattern for linear layers', () => {
    const patterns = new RecipePatterns({
      rules: [{ match: 'q_proj', grid: 'keep' }, { grid: 'keep' }, { match: 'norm', grid: 'keep' }],
    });
    expect(patterns.ruleOf('a.q_proj.weight')).toBe(0);
    expect(patterns.ruleOf('a.k_proj.weight')).toBe(1);
    expect(patterns.ruleOf('a.norm.weight', false)).toBe(2);
    expect(patterns.ruleOf('a.bias', false)).toBe(-1);
  });

  it.each([
    ['a rule', { rules: [{ match: '^(a|a)*b$', grid: 'keep' }] }],
    ['a module to skip', { rules: [], skip: ['re:(a|a)*b$'] }],
  ] as const)('end where %s backtracks without end', (_, recipe) => {
    const patterns = new RecipePatterns(recipe);
    const name = 'a'.repeat(60);
    const asked = () => patterns.decide(() => [patterns.skips(name), patterns.ruleOf(name)], 200);
    expect(asked).toThrow(
      expect.objectContaining({
        code: 'REQUEST',
        message: expect.stringMatching(
          /longer than 0\.2 seconds: .*\(a\|a\)\*b.* on "a+" tries too many ways to match/,
        ) as string,
      }) as Error,
    );
  });
});

describe('a matrix without weights', () => {
  it('is not a linear layer', () => {
    const tensor = { name: 'up_proj.weight', dtype: 'F32', shape: [0, 128], elements: 0, readable: true };
    expect(whyNotLinear(tensor as unknown as TensorDescriptor, {})).toBe('no weights');
  });
});
