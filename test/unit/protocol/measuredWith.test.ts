import { describe, expect, it } from 'vitest';
import { differencesText, measuredWithText, type MeasuredWith } from '../../../src/protocol/measuredWith';

const codes = {
  ...{ method: 'gptq-cd 2', text: 'c.txt', hash: 'c', tokens: 512 },
  objective: 'two-sided' as const,
};
const gains = { text: '/texts/a.txt', hash: 'a', tokens: 2048 };
const imatrix = { file: 'i.gguf', hash: 'i' };

describe('what figures were measured with', () => {
  it('is named, with the objective of codes', () => {
    expect(measuredWithText({})).toBe('');
    expect(measuredWithText({ codes, imatrix, gains })).toBe(
      'optimised codes (gptq-cd 2 over 512 tokens of c.txt, two-sided); the importance matrix i.gguf; gains over 2,048 tokens of a.txt',
    );
  });

  it('is the same wherever a text lies, and whatever a file is called', () => {
    const moved = { codes, imatrix: { ...imatrix, file: 'other' }, gains: { ...gains, text: 'a.txt' } };
    expect(differencesText({ codes, imatrix, gains }, moved)).toEqual([]);
  });

  it('differs by text, codes, objective, importance, backend and kind of gains', () => {
    const present: MeasuredWith = { codes, roundsActivations: true, imatrix, gains };
    const changed = (change: Partial<MeasuredWith>) => differencesText({ ...present, ...change }, present);
    expect(differencesText({ imatrix, gains }, present)).toContain(
      'the codes of llama.cpp, now optimised codes (gptq-cd 2 over 512 tokens of c.txt, two-sided)',
    );
    expect(changed({ codes: { ...codes, objective: 'one-sided' } })[0]).toMatch(
      /one-sided\), now .*two-sided/,
    );
    expect(changed({ imatrix: { file: 'j.gguf', hash: 'j' } })).toEqual([
      'the importance matrix j.gguf, now the importance matrix i.gguf',
    ]);
    expect(differencesText({ codes, imatrix, gains }, present)).toEqual([
      'errors without the rounding of activations (backend gpu), now errors with the rounding of activations (backend cpu)',
    ]);
    expect(changed({ gains: { ...gains, by: 'curvature' } })[0]).toMatch(
      /^gains over 2,048 tokens of a.txt, by the/,
    );
    expect(changed({ gains: { ...gains, tokens: 64 } })).toHaveLength(1);
  });

  it('has no rounding of activations without optimised codes', () => {
    expect(differencesText({ roundsActivations: true }, {})).toEqual([]);
  });
});
