import { describe, expect, it } from 'vitest';
import { RowSample } from '../../../../src/graph/transformer/rowSample';

/** Rows of two columns that say their own number. */
const rowsOf = (first: number, count: number): Float32Array =>
  Float32Array.from({ length: 2 * count }, (_, i) => first + Math.floor(i / 2));
const numbers = (values: Float32Array): number[] => [...values].filter((_, i) => i % 2 === 0);

describe('a sample of rows', () => {
  it('has all of them where there are few', () => {
    const sample = new RowSample(8, 2);
    sample.add(rowsOf(0, 3));
    sample.add(rowsOf(3, 2));
    expect(numbers(sample.values())).toEqual([0, 1, 2, 3, 4]);
  });

  it('is the same however the rows are cut into runs', () => {
    const [whole, cut] = [new RowSample(16, 2), new RowSample(16, 2)];
    whole.add(rowsOf(0, 1000));
    for (let first = 0; first < 1000; first += 125) cut.add(rowsOf(first, 125));
    expect(cut.values()).toEqual(whole.values());
    expect(new Set(numbers(whole.values())).size).toBe(16);
  });

  it('is spread evenly over the rows', () => {
    const counts = new Array<number>(10).fill(0);
    const sample = new RowSample(2000, 2);
    sample.add(rowsOf(0, 100_000));
    for (const number of numbers(sample.values())) counts[Math.floor(number / 10_000)]! += 1;
    // 200 expected in each tenth; five standard deviations.
    for (const count of counts) expect(Math.abs(count - 200)).toBeLessThan(5 * Math.sqrt(180));
  });
});
