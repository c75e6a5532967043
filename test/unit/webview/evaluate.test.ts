import { describe, expect, it } from 'vitest';
import type { EvaluationResult, PairedComparison } from '../../../src/protocol/evaluation';
import { columns, nameOf } from '../../../webview/views/evaluate/columns';
import {
  calibrationOf,
  formOf,
  presetIn,
  presetOf,
  settingsOf,
  type EvaluationForm,
} from '../../../webview/views/evaluate/form';
import { groupsOf, ordered } from '../../../webview/views/evaluate/groups';
import { pairSentences } from '../../../webview/views/evaluate/sentences';

const suggestions = {
  text: '/models/eval.txt',
  calibrationText: '/models/calib.txt',
  device: 'cpu',
} as const;
const fresh = formOf({ suggestions });
const form = (part: Partial<EvaluationForm>): EvaluationForm => ({ ...fresh, ...part });

describe('the form of an evaluation', () => {
  it('begins with the text next to the model and the device of the settings', () => {
    expect(settingsOf(fresh)).toEqual({
      ...{ text: '/models/eval.txt', convention: 'llama.cpp', memory: 'auto', device: 'cpu' },
    });
    expect(calibrationOf(fresh)).toEqual({ text: '/models/calib.txt', memory: 'auto', device: 'cpu' });
  });

  it('keeps its contents, except those that an older version stored differently', () => {
    const saved = { text: '/other.txt', windows: 12, colour: 'red', variant: 'type Q4_K_M' };
    expect(formOf({ form: saved, suggestions })).toEqual({
      ...fresh,
      ...{ text: '/other.txt', variant: 'type Q4_K_M' },
    });
  });

  it.each([
    ['type Q4_K_M', { type: 'Q4_K_M' }],
    ['format fp8-e4m3-row', { format: 'fp8-e4m3-row' }],
    ['current plan', { usePlan: true }],
  ])('says the variant "%s"', (variant, expected) => {
    expect(settingsOf(form({ variant, imatrix: '/i.gguf' }))).toMatchObject({
      ...expected,
      imatrix: '/i.gguf',
    });
  });

  it('evaluates a recipe, or one in a file, with the calibration text without what it does not follow', () => {
    const changes = { calibration: { text: '/models/calib.txt' } };
    const settings = settingsOf(
      form({ variant: 'recipe bnb-nf4', imatrix: '/i.gguf', roundActivations: true }),
    );
    expect(settings).toMatchObject({ recipe: { recipe: 'bnb-nf4', changes } });
    expect(settings).not.toHaveProperty('imatrix');
    expect(settings).not.toHaveProperty('roundActivations');
    const file = { variant: 'recipe file', recipeFile: '/r.json', calibrationText: '' };
    expect(settingsOf(form(file)).recipe).toEqual({ recipeFile: '/r.json' });
  });

  it('previews a preset with the calibration text, where there is one', () => {
    expect(presetOf('awq-int4-g128', form({}))).toEqual({
      recipe: 'awq-int4-g128',
      changes: { calibration: { text: '/models/calib.txt' } },
    });
    expect(presetOf('bnb-nf4', form({ calibrationText: '' }))).toEqual({ recipe: 'bnb-nf4' });
    expect(
      ['recipe bnb-nf4', 'recipe file', 'type Q4_0'].map((variant) => presetIn(form({ variant }))),
    ).toEqual(['bnb-nf4', undefined, undefined]);
  });

  it('embeds pairs of texts where a model does, without what does not go with them', () => {
    const change = { pairs: '/p.jsonl', windows: '3', roundActivations: true, variant: 'type Q4_0' };
    const expected = { pairs: '/p.jsonl', type: 'Q4_0', device: 'cpu' };
    expect(settingsOf(form(change), { pairs: true })).toEqual(expected);
    expect(settingsOf(form(change), { pairs: true, text: true })).toEqual(expected);
    expect(settingsOf(form({}), { pairs: true, text: true })).toMatchObject({ text: '/models/eval.txt' });
    expect(settingsOf(form(change))).not.toHaveProperty('pairs');
    expect(() => settingsOf(form({}), { pairs: true })).toThrow('Choose a file of pairs.');
    const recipe = form({ ...change, variant: 'recipe bnb-nf4' });
    expect(() => settingsOf(recipe, { pairs: true })).toThrow(/^Recipes cannot be evaluated with pairs/);
  });

  it('uses no importance matrix for the original, and no stride for adjacent windows', () => {
    const settings = settingsOf(form({ imatrix: '/i.gguf', stride: '64' }));
    expect(settings).not.toHaveProperty('imatrix');
    expect(settings).not.toHaveProperty('stride');
    expect(settingsOf(form({ convention: 'sliding', stride: '64' }))).toMatchObject({ stride: 64 });
  });

  it.each([
    [{ text: '' }, /Choose a text, a file of questions, or both/],
    [{ variant: 'plan file' }, /Choose a plan file/],
    [{ variant: 'recipe file' }, /Choose a recipe file/],
    [{ windows: 'few' }, /Maximum windows: “few” is not a whole number/],
    [{ context: '0' }, /Tokens per window: “0”/],
    [{ convention: 'sliding', context: '64', stride: '65' } as const, /stride is larger than a window/],
  ])('says what is wrong with %j', (part, message) => {
    expect(() => settingsOf(form(part))).toThrow(message);
  });
});

/** A result of which only what these tests look at matters. */
function result(id: string, hash: string, kld?: number): EvaluationResult {
  const estimate = { value: 8, standardError: 0.1 };
  const divergence =
    kld === undefined ? {} : { divergence: { base: 'b', mean: { ...estimate, value: kld } } };
  return {
    ...{ id, variant: id, at: `2026-01-0${id.length}T00:00:00Z`, bytes: 1, bitsPerWeight: 1 },
    text: {
      ...{ path: `/t/${hash}.txt`, hash, convention: 'llama.cpp', context: 256, stride: 256 },
      ...{ windows: 4, scoredTokens: 512, loss: estimate, perplexity: estimate, ...divergence },
    },
  } as unknown as EvaluationResult;
}

describe('results', () => {
  it('are grouped by what was scored', () => {
    const groups = groupsOf([result('a', 'x'), result('bb', 'y'), result('ccc', 'x')]);
    expect(groups.map(({ title, results }) => [title, results.map(({ id }) => id)])).toEqual([
      ['x.txt', ['a', 'ccc']],
      ['y.txt', ['bb']],
    ]);
    expect(groups[0]?.settings).toBe('windows of 256 as llama.cpp · 4 windows, 512 tokens scored');
  });

  it('are ordered by any figure, those without it last', () => {
    const column = columns.find(({ id }) => id === 'kld')!;
    const all = [result('none', 'x'), result('large', 'x', 0.2), result('small', 'x', 0.1)];
    const ids = (descending: boolean): string[] => ordered(all, { column, descending }).map(({ id }) => id);
    expect(ids(false)).toEqual(['small', 'large', 'none']);
    expect(ids(true)).toEqual(['large', 'small', 'none']);
  });

  it('of other models name their model', () => {
    const named = { ...result('Q8_0', 'x'), model: { name: 'b.gguf', path: '/m/b.gguf', hash: '' } };
    expect(nameOf(named, '/m/b.gguf')).toBe('Q8_0');
    expect(nameOf({ ...named, roundActivations: true }, '/m/a.gguf')).toBe('b.gguf, Q8_0, 8-bit activations');
  });

  it('have figures with definitions, each under its own name', () => {
    expect(new Set(columns.map(({ id }) => id)).size).toBe(columns.length);
    for (const { meaning } of columns) expect(meaning.length).toBeGreaterThan(10);
  });
});

describe('two results in words', () => {
  const pair = (loss: number, divergence?: number): PairedComparison => ({
    ...{ a: '1', b: '2', scoredTokens: 5120, loss: { value: loss, standardError: 0.00003 } },
    ...(divergence === undefined ? {} : { divergence: { value: divergence, standardError: 0.0001 } }),
  });

  it('say which is worse, by how much', () => {
    expect(pairSentences(pair(0.0002, -0.0023), 'Q4_K_S', 'Q4_K_M')).toEqual([
      'Q4_K_S is worse than Q4_K_M by 0.00020 ± 0.00003 nats of loss per token, paired over 5,120 tokens.',
      'In KL divergence from the base Q4_K_S is better than Q4_K_M by 0.00230 ± 0.00010 nats per token.',
    ]);
  });

  it('do not distinguish results within the noise', () => {
    expect(pairSentences(pair(-0.00005), 'a', 'b')).toEqual([
      'a and b cannot be distinguished: the difference is −0.00005 ± 0.00003 nats of loss per token, paired over 5,120 tokens.',
    ]);
  });
});
