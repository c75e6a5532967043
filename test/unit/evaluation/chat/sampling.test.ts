import { describe, expect, it } from 'vitest';
import { chooseToken } from '../../../../src/evaluation/chat/sampling';

const logits = Float32Array.of(1, 3, 2.5, -4, 0);
const softmax = (values: Float32Array, temperature: number): number[] => {
  const weights = [...values].map((value) => Math.exp(value / temperature));
  const sum = weights.reduce((a, b) => a + b);
  return weights.map((weight) => weight / sum);
};
const draws = 20_000;

function shares(settings: Parameters<typeof chooseToken>[2]): number[] {
  const counts = new Array<number>(logits.length).fill(0);
  for (let position = 0; position < draws; position++) counts[chooseToken(logits, position, settings)]! += 1;
  return counts.map((count) => count / draws);
}

describe('the choice of a token', () => {
  it('is the most probable one without a temperature', () => {
    expect(chooseToken(logits, 5, {})).toBe(1);
    expect(chooseToken(logits, 5, { temperature: 0, seed: 9, topP: 0.1 })).toBe(1);
  });

  it.each([0.5, 1, 2])('has the probabilities of the softmax at temperature %d', (temperature) => {
    const expected = softmax(logits, temperature);
    shares({ temperature, seed: 3 }).forEach((share, token) => {
      const p = expected[token]!;
      expect(Math.abs(share - p)).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / draws) + 1e-4);
    });
  });

  it('is among the most probable tokens that have the share top-p together', () => {
    const [, second, third] = softmax(logits, 1);
    const found = shares({ temperature: 1, topP: second! + 0.5 * third! });
    expect(found.map((share) => share > 0)).toEqual([false, true, true, false, false]);
    expect(found[1]! / found[2]!).toBeCloseTo(second! / third!, 1);
  });

  it('is the same with the same seed, and another with another one', () => {
    const drawn = (seed: number) =>
      Array.from({ length: 40 }, (_, position) => chooseToken(logits, position, { temperature: 2, seed }));
    expect(drawn(7)).toEqual(drawn(7));
    expect(drawn(7)).not.toEqual(drawn(8));
  });

  it('differs between two models about as often as their probabilities do', () => {
    const other = logits.map((logit, token) => logit + (token === 2 ? 0.1 : 0));
    const settings = { temperature: 1, seed: 1 };
    let differ = 0;
    for (let position = 0; position < draws; position++)
      differ += Number(chooseToken(logits, position, settings) !== chooseToken(other, position, settings));
    const [p, q] = [softmax(logits, 1), softmax(other, 1)];
    // No way to draw differs less often than the total variation; independent noise would differ in more than half of the draws.
    const variation = p.reduce((sum, value, token) => sum + Math.abs(value - q[token]!), 0) / 2;
    expect(differ / draws).toBeGreaterThan(variation * 0.8);
    expect(differ / draws).toBeLessThan(2 * variation);
  });
});
