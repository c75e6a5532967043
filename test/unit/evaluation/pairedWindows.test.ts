import { describe, expect, it } from 'vitest';
import {
  alternateWindows,
  meanOverWindows,
  pairedInterval,
  valuesOfWindows,
} from '../../../src/evaluation/pairedWindows';
import { studentQuantile } from '../../../src/protocol/estimate';
import { mean } from '../../../src/evaluation/statistics';

describe('a mean over windows', () => {
  it('has the standard error of the means of windows of one length', () => {
    const values = Float64Array.of(1, 2, 3, 4, 6, 8);
    const { value, standardError } = meanOverWindows(values, [2, 2, 2]);
    expect(value).toBe(4);
    expect(standardError).toBeCloseTo(mean(Float64Array.of(1.5, 3.5, 7)).standardError, 12);
  });

  it('does not count tokens that repeat in a window as independent', () => {
    const repeated = Float64Array.from({ length: 80 }, (_, i) => Math.floor(i / 10) % 2);
    const counts = new Array<number>(8).fill(10);
    expect(meanOverWindows(repeated, counts).standardError).toBeGreaterThan(3 * mean(repeated).standardError);
  });

  it('weights windows by their tokens', () => {
    expect(meanOverWindows(Float64Array.of(1, 1, 1, 5), [3, 1]).value).toBe(2);
    expect(meanOverWindows(Float64Array.of(1, 1, 1, 5), [3, 1]).standardError).toBeCloseTo(
      Math.sqrt((2 / 1) * (3 ** 2 + 3 ** 2)) / 4,
      12,
    );
    expect(() => meanOverWindows(Float64Array.of(1, 2), [3])).toThrow(RangeError);
  });
});

describe('the halves of a text', () => {
  it('are every second window each', () => {
    expect([alternateWindows(5, 0), alternateWindows(5, 1)]).toEqual([
      [0, 2, 4],
      [1, 3],
    ]);
    const values = Float64Array.of(1, 2, 3, 4, 5, 6);
    expect(valuesOfWindows(values, [1, 2, 3], [0, 2])).toEqual(Float64Array.of(1, 4, 5, 6));
    expect(valuesOfWindows(values, [1, 2, 3], [1])).toEqual(Float64Array.of(2, 3));
  });
});

describe('a paired interval', () => {
  // Student's distribution, 97.5 %: tables.
  it.each([
    [5, 2.5706],
    [7, 2.3646],
    [15, 2.1314],
    [63, 1.9983],
    [191, 1.9725],
  ])('uses Student’s distribution of %i degrees of freedom', (degrees, exact) => {
    expect(Math.abs(studentQuantile(degrees) / exact - 1)).toBeLessThan(degrees < 10 ? 0.01 : 0.0005);
  });

  it('is that of the differences, however much the values vary in common', () => {
    const common = Float64Array.from({ length: 64 }, (_, i) => 100 * Math.sin(i));
    const a = common.map((x, i) => x - 1 + 0.01 * Math.cos(3 * i));
    const { value, low, high } = pairedInterval(a, common, new Array<number>(16).fill(4));
    expect(value).toBeCloseTo(-1, 2);
    expect(high - low).toBeLessThan(0.02);
    expect([low < value, high > value]).toEqual([true, true]);
    expect(value - low).toBeCloseTo(high - value, 12);
  });

  it('is one of values that can be paired', () => {
    expect(() => pairedInterval(new Float64Array(4), new Float64Array(5), [2, 2])).toThrow(RangeError);
    expect(() => pairedInterval(new Float64Array(4), new Float64Array(3), [2, 2])).toThrow(RangeError);
  });
});
