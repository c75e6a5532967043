import { describe, expect, it } from 'vitest';
import {
  aligned,
  bits,
  count,
  decibels,
  exact,
  figure,
  fixed,
  nameText,
  number,
  percent,
  ratio,
  scientific,
} from '../../../webview/format';

it('names show what cannot be seen, and are never empty', () => {
  expect(['', 'tab\there', '\u0000nul', 'a\u202eb', 'имя.вес'].map(nameText)).toEqual([
    ...['(no name)', 'tab\\there', '\\u0000nul', 'a\\u202eb', 'имя.вес'],
  ]);
});

it.each([
  [1, '1'],
  [9_999, '9,999'],
  [999_499, '999 k'],
  [999_999, '1.00 M'],
  [999_885_952, '1.00 B'],
  [5_246_208, '5.25 M'],
  [2 ** 53, '9.01 P'],
])('a count of %d has the suffix of what it is rounded to: %s', (value, text) => {
  expect(count(value)).toBe(text);
});

describe('numbers in the editor', () => {
  it.each([
    [NaN, 'NaN', 'not defined'],
    [Infinity, '∞', '∞'],
    [-Infinity, '−∞', '−∞'],
    [0, '0', '0'],
    [-0.0123456789, '−0.01235', '−0.01235'],
    [0.5, '0.5000', '0.5000'],
    [0.000918, '0.0009180', '0.0009180'],
    [0.99996, '1.000', '1.000'],
    [12345.6, '12350', '12350'],
    [1.5e-7, '1.500e−7', '1.500e−7'],
    [2_500_000, '2.500e+6', '2.500e+6'],
  ])('%d is "%s" as a weight and "%s" as a figure', (value, weight, statistic) => {
    expect(number(value)).toBe(weight);
    expect(figure(value)).toBe(statistic);
  });

  it('are integers without decimals where they count or index something', () => {
    expect([15, -128, 0, 0.5, 1.5e9].map((value) => exact(value))).toEqual([
      ...['15', '−128', '0', '0.5000', '1.500e+9'],
    ]);
  });

  it('keeps the zeros of its significant digits, so that a column can be compared', () => {
    expect([0.0713, 0.086, 0.00358].map((value) => number(value, 3))).toEqual([
      '0.0713',
      '0.0860',
      '0.00358',
    ]);
  });

  it('aligns decimals with those of the largest value', () => {
    expect(aligned([-0.16602, 0.0069275, 0, 3.636e-6, 4.158e-4, NaN])).toEqual([
      ...['−0.16602', '0.00693', '0', '3.6e−6', '0.00042', 'NaN'],
    ]);
    expect(aligned([127, -0.5])).toEqual(['127.00', '−0.50']);
    expect(aligned([1e-6, 2.5e-7])).toEqual(['1.000e−6', '2.500e−7']);
    expect(aligned([NaN, 1], figure)).toEqual(['not defined', '1.0000']);
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
