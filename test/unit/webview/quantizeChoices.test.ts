import { describe, expect, it } from 'vitest';
import type { FormatComparison, TensorComparison } from '../../../src/protocol/analysis';
import { formatFor, totalsOf } from '../../../webview/quantizeChoices';

const bits: Readonly<Record<string, number>> = { Q4_0: 4.5, Q5_0: 5.5, Q4_K: 4.5, Q6_K: 6.5625, Q8_0: 8.5 };

const histogram = { min: 0, max: 1, counts: [1] };
const inFormat = (format: string, weights: number, relativeSquaredError: number): FormatComparison => ({
  ...{ format, bytes: (weights * bits[format]!) / 8, bitsPerWeight: bits[format]!, histogram },
  error: {
    ...{ mse: 0, relativeSquaredError, relativeError: Math.sqrt(relativeSquaredError) },
    ...{ sqnr: -10 * Math.log10(relativeSquaredError), cosine: 1, maxError: 0 },
  },
});
const result = (tensor: string, weights: number, ...formats: string[]): TensorComparison => ({
  ...{ tensor, sourceBytes: 2 * weights, histogram, refused: [] },
  formats: formats.map((format) => inFormat(format, weights, 4 ** -bits[format]!)),
});
const chosen = (of: TensorComparison, common?: string, own?: string): string | undefined =>
  formatFor(of, common, own, (format) => bits[format]!)?.format;

describe('the format of a tensor among several', () => {
  const whole = result('whole', 512, 'Q4_0', 'Q4_K', 'Q6_K', 'Q8_0');
  const odd = result('odd', 96, 'Q4_0', 'Q5_0', 'Q8_0');

  it('is the common one, or its own', () => {
    expect(chosen(whole, 'Q4_K')).toBe('Q4_K');
    expect(chosen(whole, 'Q4_K', 'Q8_0')).toBe('Q8_0');
  });

  it('is the next larger where the tensor cannot take the common one, else the largest', () => {
    expect(chosen(odd, 'Q6_K')).toBe('Q8_0');
    expect(chosen(odd, 'Q4_K')).toBe('Q4_0');
    expect(chosen(result('small', 32, 'Q4_0', 'Q5_0'), 'Q6_K')).toBe('Q5_0');
    expect(chosen(result('none', 3), 'Q6_K')).toBeUndefined();
  });
});

describe('totals of the choices', () => {
  it('weight errors by the number of weights', () => {
    const [a, b] = [result('a', 512, 'Q4_0'), result('b', 1024, 'Q8_0')];
    const totals = totalsOf([
      { result: a, format: inFormat('Q4_0', 512, 0.01) },
      { result: b, format: inFormat('Q8_0', 1024, 0.0001) },
    ]);
    expect(totals).toMatchObject({ tensors: 2, bytes: 288 + 1088, sourceBytes: 3072 });
    expect(totals.bitsPerWeight).toBeCloseTo((4.5 + 2 * 8.5) / 3, 12);
    expect(totals.error).toBeCloseTo((0.01 + 2 * 0.0001) / 3, 12);
  });
});
