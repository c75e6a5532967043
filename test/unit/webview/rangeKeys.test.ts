import { describe, expect, it } from 'vitest';
import { rangeAfterKey } from '../../../webview/charts/rangeKeys';

describe('keys over a range', () => {
  const whole = { min: -1, max: 3 };
  it.each([
    ['+', whole, { min: 0, max: 2 }],
    ['-', { min: 0, max: 2 }, whole],
    ['-', { min: 2.5, max: 3 }, { min: 2, max: 3 }], // stays within the whole
    ['ArrowRight', { min: 0, max: 2 }, { min: 0.5, max: 2.5 }],
    ['ArrowLeft', { min: -0.9, max: 0.1 }, { min: -1, max: 0 }],
    ['Escape', { min: 0, max: 1 }, whole],
  ])('%s', (key, range, expected) => expect(rangeAfterKey(key, range, whole)).toEqual(expected));

  it('do nothing where they mean nothing, and where floats end', () => {
    expect(rangeAfterKey('a', whole, whole)).toBeUndefined();
    expect(rangeAfterKey('+', { min: 1, max: 1 + Number.EPSILON }, whole)).toBeUndefined();
  });
});
