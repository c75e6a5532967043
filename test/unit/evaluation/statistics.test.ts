import { describe, expect, it } from 'vitest';
import {
  logPerplexityRatio,
  mean,
  median,
  pairedDifference,
  perplexity,
  quantiles,
  rootMeanSquare,
  share,
} from '../../../src/evaluation/statistics';
import type { Estimate } from '../../../src/protocol/estimate';
import { Random } from '../../support/random';

const of = (...values: number[]): Float64Array => Float64Array.from(values);

function expectEstimate({ value, standardError }: Estimate, expected: [number, number]): void {
  expect(value).toBeCloseTo(expected[0], 12);
  expect(standardError).toBeCloseTo(expected[1], 12);
}

describe('means', () => {
  it('have the standard error of the sample', () => {
    expectEstimate(mean(of(1, 2, 3, 4, 5)), [3, Math.sqrt(2 / 4)]);
    expectEstimate(mean(of(7, 7, 7)), [7, 0]);
  });

  it('keep a small spread around a large mean', () => {
    const values = Float64Array.from({ length: 10_001 }, (_, i) => 1e9 + (i % 2));
    const p = 5000 / 10_001;
    expect(mean(values).standardError).toBeCloseTo(Math.sqrt((p * (1 - p)) / 10_000), 10);
  });

  it('of one value have no standard error, of none no value', () => {
    expect(mean(of(3))).toEqual({ value: 3, standardError: NaN });
    expect(mean(of())).toEqual({ value: NaN, standardError: NaN });
  });

  it('do not hide a NaN', () => {
    expect(mean(of(1, NaN, 2))).toEqual({ value: NaN, standardError: NaN });
    expect(perplexity(of(1, NaN, 2)).value).toBeNaN();
    expect(share(of(1, NaN, 0)).value).toBeNaN();
    expect(rootMeanSquare(of(1, NaN))).toBeNaN();
    expect(quantiles(of(1, NaN, 2), [0, 0.5, 1])).toEqual([NaN, NaN, NaN]);
  });
});

describe('perplexity', () => {
  it('of a uniform guess is the number of choices', () => {
    expectEstimate(perplexity(new Float64Array(9).fill(Math.log(50))), [50, 0]);
  });

  it('has the standard error of the mean loss times itself', () => {
    expectEstimate(perplexity(of(Math.log(2), Math.log(8))), [4, (4 * Math.log(4)) / 2]);
  });
});

describe('the median', () => {
  it('is the middle one, or the mean of the two in the middle', () => {
    expect(median([10, 9, 100])).toBe(10); // by size, not as texts
    expect(median([100, 9, 10, 20])).toBe(15);
    expect(median([])).toBeNaN();
  });
});

describe('quantiles', () => {
  it('interpolate between neighbours, whatever the order of the values', () => {
    expect(quantiles(of(40, 10, 30, 20), [0, 0.5, 0.75, 1])).toEqual([10, 25, 32.5, 40]);
    expect(quantiles(of(3, 1, 2), [0.5])).toEqual([2]);
    expect(quantiles(of(5), [0, 0.5, 0.999, 1])).toEqual([5, 5, 5, 5]);
  });

  it('of 1001 numbers in a row lie at fraction · 1000', () => {
    const values = Float64Array.from({ length: 1001 }, (_, i) => i);
    const [p99, p999, p9995] = quantiles(values, [0.99, 0.999, 0.9995]);
    expect(p99).toBeCloseTo(990, 9);
    expect(p999).toBeCloseTo(999, 9);
    expect(p9995).toBeCloseTo(999.5, 9);
  });

  it('leave the values as they are', () => {
    const values = of(2, 1);
    quantiles(values, [0.5]);
    expect(values).toEqual(of(2, 1));
  });

  it('may be infinite, of nothing are NaN', () => {
    expect(quantiles(of(1, Infinity, Infinity), [0.5, 1])).toEqual([Infinity, Infinity]);
    expect(quantiles(of(), [0.5])).toEqual([NaN]);
  });
});

describe('shares', () => {
  it('have the binomial standard error', () => {
    expectEstimate(share(of(1, 0, 1, 1)), [0.75, Math.sqrt((0.75 * 0.25) / 3)]);
    expectEstimate(share(of(1, 1)), [1, 0]);
  });
});

describe('pairs', () => {
  it('have the mean difference and its standard error', () => {
    expectEstimate(pairedDifference(of(2, 4, 6), of(1, 2, 3)), [2, Math.sqrt(2 / 3 / 2)]);
    expectEstimate(pairedDifference(of(1.5, 2.5), of(1, 2)), [0.5, 0]);
  });

  it('require as many of one as of the other', () => {
    expect(() => pairedDifference(of(1, 2), of(1))).toThrow('2 and 1 values cannot be paired.');
  });

  it('give the perplexity ratio the error that variances and covariance give', () => {
    const random = new Random(5);
    const base = Float64Array.from({ length: 500 }, () => 3 + random.normal());
    const losses = base.map((loss) => 0.9 * loss + 0.4 + 0.1 * random.normal());
    const n = base.length;
    const sum = (f: (i: number) => number): number => base.reduce((total, _, i) => total + f(i), 0) / n;
    const [a, b] = [sum((i) => losses[i]!), sum((i) => base[i]!)];
    const covariance = (sum((i) => losses[i]! * base[i]!) - a * b) / (n - 1);
    const variance = (x: Float64Array, m: number): number => (sum((i) => x[i]! ** 2) - m * m) / (n - 1);
    const expected = Math.sqrt(variance(losses, a) + variance(base, b) - 2 * covariance);
    const ratio = logPerplexityRatio(losses, base);
    expectEstimate(ratio, [a - b, expected]);
    expect(Math.exp(ratio.value)).toBeCloseTo(perplexity(losses).value / perplexity(base).value, 12);
  });
});

describe('root of the mean square', () => {
  it('is that of the values, not of their spread', () => {
    expect(rootMeanSquare(of(3, -4, 3, -4))).toBeCloseTo(Math.sqrt(12.5), 12);
  });
});
