import { describe, expect, it } from 'vitest';
import { randomAssignment, type SizedFormat } from '../../../src/ampq/randomAssignment';

const sized = (weights: number): SizedFormat[] =>
  Object.entries({ Q6_K: 6.5625, Q2_K: 2.625, Q4_K: 4.5 }).map(([format, bits]) => ({
    ...{ format, bytes: (weights * bits) / 8 },
  }));
const choices = [256, 512, 1024, 256, 4096, 2048].map(sized);
const total = (items: readonly SizedFormat[]): number => items.reduce((sum, { bytes }) => sum + bytes, 0);
const least = total(choices.map((options) => options[1]!));

describe('a random assignment', () => {
  it('uses the budget up to less than what any larger format takes', () => {
    for (const seed of ['a', 'b', 'c', 'd']) {
      const budget = 1.5 * least;
      const chosen = randomAssignment(choices, budget, seed)!;
      const left = budget - total(chosen);
      expect(left).toBeGreaterThanOrEqual(0);
      for (const [i, options] of choices.entries())
        for (const { bytes } of options)
          if (bytes > chosen[i]!.bytes) expect(bytes - chosen[i]!.bytes).toBeGreaterThan(left);
    }
  });

  it('is the same for a seed, and others for others', () => {
    const of = (seed: string): string =>
      randomAssignment(choices, 1.5 * least, seed)!
        .map(({ format }) => format)
        .join();
    expect(of('a')).toBe(of('a'));
    expect(new Set(['a', 'b', 'c', 'd', 'e'].map(of)).size).toBeGreaterThan(2);
  });

  it('is the smallest at its size, and none below', () => {
    expect(randomAssignment(choices, least, 'a')!.map(({ format }) => format)).toEqual(
      new Array(6).fill('Q2_K'),
    );
    expect(randomAssignment(choices, least - 1, 'a')).toBeUndefined();
  });
});
