import { describe, expect, it } from 'vitest';
import { LabelDraws } from '../../../src/evaluation/labels';

const logits = [0.5, -1, 2, 1.5, -3, 0];
const total = logits.reduce((sum, value) => sum + Math.exp(value), 0);

/** Each token has the same logits, in slices of some entries. */
function drawn(tokens: number, slice: number) {
  const draws = new LabelDraws(tokens);
  for (let first = 0; first < logits.length; first += slice)
    for (let token = 0; token < tokens; token++)
      draws.add(token, Float32Array.from(logits.slice(first, first + slice)), first);
  return draws.finish();
}

describe('labels drawn from a distribution', () => {
  it.each([1, 2, 4, 6])('are as frequent as probable, in slices of %i entries', (slice) => {
    const tokens = 40_000;
    const { labels, normalizers } = drawn(tokens, slice);
    logits.forEach((logit, entry) => {
      const p = Math.exp(logit) / total;
      const share = labels.filter((label) => label === entry).length / tokens;
      // Four standard deviations.
      expect(Math.abs(share - p), `entry ${entry}`).toBeLessThan(4 * Math.sqrt((p * (1 - p)) / tokens));
    });
    expect(normalizers.every((value) => Math.abs(value - Math.log(total)) < 1e-6)).toBe(true);
  });

  it('of neighbouring tokens are independent', () => {
    const { labels } = drawn(40_000, 2);
    const p = Math.exp(2) / total;
    const both = labels.filter((label, i) => label === 2 && labels[i + 1] === 2).length / labels.length;
    expect(Math.abs(both - p * p)).toBeLessThan(0.01);
  });

  it('are the same every time, and none for a token without logits', () => {
    expect([...drawn(100, 4).labels]).toEqual([...drawn(100, 4).labels]);
    const draws = new LabelDraws(2);
    draws.add(1, Float32Array.of(0, -Infinity), 7);
    const { labels, normalizers } = draws.finish();
    expect([...labels]).toEqual([-1, 7]);
    expect([...normalizers]).toEqual([Infinity, 0]);
  });
});
