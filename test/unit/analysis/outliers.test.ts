import { describe, expect, it } from 'vitest';
import { deadLines, outliersOf } from '../../../src/analysis/outliers';

describe('lines that stand out', () => {
  it('are not found among equal ones', () => expect(outliersOf(new Float32Array(100).fill(1))).toEqual([]));

  it('are found where all others are equal', () => {
    const lines = new Float32Array(100).fill(1);
    lines[7] = 9;
    // The mean deviation is 8/100; one line of 100 lies 100/1.2533 robust standard deviations away.
    const [found] = outliersOf(lines);
    expect(found).toMatchObject({ index: 7, absMax: 9 });
    expect(found!.score).toBeCloseTo(100 / 1.2533, 6);
  });
});

describe('dead lines', () => {
  it('are counted and listed as ranges, the longest first', () => {
    const lines = Float32Array.of(0, 1, 0, 0, 0, 2, 0, 0, 3);
    expect(deadLines(lines)).toEqual({
      count: 6,
      ranges: [
        { first: 2, last: 4 },
        { first: 6, last: 7 },
        { first: 0, last: 0 },
      ],
    });
    expect(deadLines(Float32Array.of(1, 2))).toEqual({ count: 0, ranges: [] });
  });

  it('are listed up to a limit and counted beyond it', () => {
    const dead = deadLines(Float32Array.from({ length: 200 }, (_, i) => i % 2));
    expect([dead.count, dead.ranges.length]).toEqual([100, 16]);
  });
});
