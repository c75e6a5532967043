import { describe, expect, it } from 'vitest';
import type { QuantizedWeight, RecipeChoices } from '../../../src/protocol/quantizeModel';
import { finishedOf, withStep } from '../../../webview/quantization';
import { changeCount, emptyForm, fromFile, settingsOf } from '../../../webview/views/quantizeModel/form';

const choices: RecipeChoices = {
  recipes: [],
  layouts: [],
  methods: [
    {
      ...{ id: 'gptq', label: 'GPTQ', description: '', evidence: 'hessian' },
      options: [
        { name: 'damping', description: '', type: 'number', default: 0.01, minimum: 0, maximum: 1 },
        { name: 'act_order', description: '', type: 'boolean', default: false },
      ],
    },
  ],
};
const form = { ...emptyForm, recipe: 'gptq-int4-g128' };

describe('the form of a whole model', () => {
  it('leaves the recipe as it is where nothing is typed', () =>
    expect(settingsOf(form, choices)).toEqual({ recipe: 'gptq-int4-g128' }));

  it('sends what was changed, and options of the method that differ from their defaults', () => {
    const changed = {
      ...{
        ...form,
        method: 'gptq',
        options: { damping: '0.1', act_order: 'false' },
        bits: '3',
        group: 'row',
      },
      ...{ layout: 'gptq-v2', skip: 'lm_head, mlp.gate', text: '/t.txt', tokens: '4096', shard: '0.5' },
    };
    expect(settingsOf(changed, choices)).toEqual({
      recipe: 'gptq-int4-g128',
      maxShardBytes: 5e8,
      changes: {
        ...{ layout: 'gptq-v2', method: 'gptq', options: { damping: 0.1 }, bits: 3, group: 'row' },
        skip: ['lm_head', 'mlp.gate'],
        calibration: { text: '/t.txt', tokens: 4096 },
      },
    });
    expect(changeCount(changed)).toBe(6);
    expect(changeCount(form)).toBe(0);
  });

  it.each([
    [{ recipe: fromFile }, 'Choose a recipe file.'],
    [{ tokens: '1.5' }, 'Tokens: “1.5” is not a whole number.'],
    [{ shard: '-1' }, 'Largest shard: “-1” is not a number above 0.'],
    [{ method: 'gptq', options: { damping: '2' } }, 'damping: “2” is not a number from 0 to 1.'],
  ])('%j is not valid', (change, message) =>
    expect(() => settingsOf({ ...form, ...change }, choices)).toThrow(message),
  );
});

describe('steps of a quantization', () => {
  const weight = (name: string): QuantizedWeight => ({
    ...{ name, bytes: 1, relativeError: 0, seconds: 1, evidence: 'none' },
  });
  const settings = { recipe: 'w8a8', changes: { calibration: { text: '/t' } } };
  const run = { run: 1, title: 't', settings };

  it('add the matrices that were finished', () => {
    const first = withStep(undefined, { ...run, before: 0, finished: [weight('a')] });
    const second = withStep(first, { ...run, before: 1, finished: [weight('b'), weight('c')] });
    expect(second!.weights.map(({ name }) => name)).toEqual(['a', 'b', 'c']);
    expect(withStep(second, { ...run, run: 2, title: 'again', before: 0, finished: [] })).toEqual({
      ...{ ...run, run: 2, title: 'again', weights: [] },
    });
  });

  it('that come twice change nothing, and one that is missing is noticed', () => {
    const first = withStep(undefined, { ...run, before: 0, finished: [weight('a')] });
    expect(withStep(first, { ...run, before: 0, finished: [weight('a')] })).toEqual(first);
    expect(withStep(first, { ...run, before: 3, finished: [] })).toBeUndefined();
    expect(withStep(first, { ...run, run: 2, before: 1, finished: [] })).toBeUndefined();
  });

  it('are shown with the recipe that they are of, and with no other', () => {
    const now = withStep(undefined, { ...run, before: 0, finished: [weight('a')] })!;
    expect(finishedOf(now, structuredClone(settings))).toEqual([weight('a')]);
    expect(finishedOf(now, { ...settings, recipe: 'gptq-int4-g128' })).toEqual([]);
    expect(finishedOf(now, { recipe: 'w8a8' })).toEqual([]);
    expect(finishedOf(now, undefined)).toEqual([]);
    expect(finishedOf(undefined, settings)).toEqual([]);
  });
});
