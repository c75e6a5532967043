import { expect, it } from 'vitest';
import { stated } from '../../../src/model/statedValue';

it.each([
  [undefined, undefined, 'is missing'],
  [null, undefined, 'is null'],
  [undefined, 8, 'is missing, which means 8'],
  [null, 'gelu', 'is null, which means "gelu"'],
  [0, 8, 'is 0'],
  ['a', undefined, 'is "a"'],
  [[1, null], undefined, 'is [1,null]'],
  [NaN, undefined, 'is NaN'],
  [-Infinity, undefined, 'is -Infinity'],
  ['x'.repeat(300), undefined, `is "${'x'.repeat(199)}…`],
])('%j with the fallback %j %s', (value, fallback, text) => expect(stated(value, fallback)).toBe(text));
