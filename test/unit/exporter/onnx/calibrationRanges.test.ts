import { describe, expect, it } from 'vitest';
import { activationGrid, rangeOf } from '../../../../src/exporter/onnx/calibrationRanges';
import { entropyCut, histogramOf } from '../../../../src/exporter/onnx/histogram';

describe('ranges of values', () => {
  it('min and max; nothing has the range 0', () => {
    expect(rangeOf(Float32Array.of(-3, 0.5, 2), { kind: 'minmax' })).toEqual({ low: -3, high: 2 });
    expect(rangeOf(new Float32Array(), { kind: 'minmax' })).toEqual({ low: 0, high: 0 });
  });

  it('a percentile cuts the largest magnitudes, never beyond what was seen', () => {
    const samples = Float32Array.from({ length: 1000 }, (_, i) => (i === 500 ? 100 : i / 1000));
    const { low, high } = rangeOf(samples, { kind: 'percentile', percent: 99 });
    expect(low).toBe(0);
    expect(high).toBeGreaterThan(0.97);
    expect(high).toBeLessThan(1.1);
  });
});

describe('grids of values', () => {
  it.each([
    ['I8', false, { low: -1, high: 3 }, { scale: Math.fround(4 / 255), zero: -64 }],
    ['U8', false, { low: -1, high: 3 }, { scale: Math.fround(4 / 255), zero: 64 }],
    ['I8', true, { low: -1, high: 3 }, { scale: Math.fround(6 / 254), zero: 0 }],
    ['U8', true, { low: -1, high: 3 }, { scale: Math.fround(6 / 254), zero: 127 }],
    ['U16', false, { low: 0, high: 65_535 }, { scale: 1, zero: 0 }],
    ['F8_E4M3', true, { low: -896, high: 3 }, { scale: 2, zero: 0 }],
    // A range of positive numbers is widened to hold 0; one of zeros gets a scale that can be divided by.
    ['U8', false, { low: 2, high: 5.1 }, { scale: Math.fround(Math.fround(5.1) / 255), zero: 0 }],
    ['I8', false, { low: 0, high: 0 }, { scale: 1, zero: 0 }],
    ['F8_E4M3', true, { low: 0, high: 0 }, { scale: 1, zero: 0 }],
  ] as const)('%s, symmetric %s, of %j', (type, symmetric, range, expected) => {
    expect(activationGrid(range, type, symmetric)).toEqual({ type, ...expected });
  });
});

describe('histograms', () => {
  it('count values between edges, the ends included', () => {
    const { counts, edges } = histogramOf(Float32Array.of(0, 0.25, 0.5, 0.99, 1, 2), 0, 1, 4);
    expect([...counts]).toEqual([1, 1, 1, 2]);
    expect([...edges]).toEqual([0, 0.25, 0.5, 0.75, 1]);
  });

  it('of equal values have one filled bin', () => {
    const { counts } = histogramOf(Float32Array.of(3, 3), 3, 3, 2);
    expect([...counts]).toEqual([0, 2]);
  });

  it('of a bell with one value far out are cut around the bell', () => {
    const counts = Float64Array.from({ length: 2048 }, (_, i) =>
      Math.round(1e4 * Math.exp(-(((i - 1024) / 60) ** 2) / 2)),
    );
    counts[0] = 1;
    const [first, end] = entropyCut(counts);
    expect(first).toBeGreaterThan(600);
    expect(end).toBeLessThan(1450);
  });
});
