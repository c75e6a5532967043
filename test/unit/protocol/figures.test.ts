import { describe, expect, it } from 'vitest';
import { estimateText, isDifferent, percentText, preciseText } from '../../../src/protocol/figures';

describe('a value with its standard error', () => {
  it.each([
    [8.12345, 0.0123, '8.123 ± 0.012'],
    [8.12345, 0.123, '8.12 ± 0.12'],
    [0.0002, 0.00003, '0.00020 ± 0.00003'],
    [-0.0051, 0.0004, '−0.0051 ± 0.0004'],
    [-0.0004, 0.003, '0.000 ± 0.003'],
    [1234.5, 56, '1235 ± 56'],
    [0.5, 0, '0.5'],
    [8.1234567, NaN, '8.1235'],
    [Infinity, 1, 'not finite'],
    [NaN, NaN, 'not finite'],
  ])('%d with %d is %s', (value, standardError, text) => {
    expect(estimateText({ value, standardError })).toBe(text);
  });

  it.each([
    [19.0123, 0.82, '19.012 ± 0.8'],
    [2.94512, 0.043, '2.9451 ± 0.04'],
    [12345.6, 210, '12346 ± 210'],
    [1.5, 0.0000123, '1.500000 ± 0.000012'],
    [Infinity, 1, 'not finite'],
  ])('%d with %d is %s where small differences count', (value, standardError, text) => {
    expect(preciseText({ value, standardError })).toBe(text);
  });

  it('is shown in percent if it is a share', () => {
    expect(percentText({ value: 0.9312, standardError: 0.0041 })).toBe('93.1 ± 0.4 %');
  });

  it('is a difference beyond two standard errors only', () => {
    expect(isDifferent({ value: -0.021, standardError: 0.01 })).toBe(true);
    expect(isDifferent({ value: 0.019, standardError: 0.01 })).toBe(false);
    expect(isDifferent({ value: 0, standardError: 0 })).toBe(false);
  });
});
