import { describe, expect, it } from 'vitest';
import { bits, decibels, figure, fixed, number, percent, ratio, scientific } from '../../../webview/format';

describe('numbers in the editor', () => {
  it.each([
    [NaN, 'NaN', 'not defined'],
    [Infinity, '∞', '∞'],
    [-Infinity, '−∞', '−∞'],
    [0, '0', '0'],
    [-0.0123456789, '−0.012346', '−0.012346'],
    [1.5e-7, '1.500e−7', '1.500e−7'],
    [2_500_000, '2.500e+6', '2.500e+6'],
  ])('%d is "%s" as a weight and "%s" as a figure', (value, weight, statistic) => {
    expect(number(value)).toBe(weight);
    expect(figure(value)).toBe(statistic);
  });

  it.each([
    ['ratio', ratio, '12.35'],
    ['fixed', (value: number) => fixed(value, 2), '12.35'],
    ['scientific', scientific, '1.2e+1'],
    ['bits', bits, '12.3'],
    ['percent', percent, '1235 %'],
  ])('%s tells NaN, +∞ and −∞ apart', (_, show, finite) => {
    expect([12.3456, NaN, Infinity, -Infinity].map((value) => show(value))).toEqual([
      ...[finite, 'not defined', '∞', '−∞'],
    ]);
  });

  it('a signal-to-noise ratio is infinite for no error, and minus infinite for an error of nothing', () => {
    expect([0.001, 0, Infinity, NaN].map((error) => decibels(error, 1))).toEqual([
      ...['30.0 dB', '∞', '−∞', 'not defined'],
    ]);
  });
});
