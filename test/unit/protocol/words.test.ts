import { expect, it } from 'vitest';
import { plural, size } from '../../../src/protocol/words';

it('counts are written with their nouns', () => {
  expect(plural(1, 'tensor')).toBe('1 tensor');
  expect(plural(0, 'tensor')).toBe('0 tensors');
  expect(plural(23_342, 'tensor')).toBe('23,342 tensors');
  expect([1, 2].map((count) => plural(count, 'matrix', 'matrices'))).toEqual(['1 matrix', '2 matrices']);
});

it.each([
  [999, '999 B'],
  [1000, '1.00 kB'],
  [999_994, '999.99 kB'],
  [999_995, '1.00 MB'],
  [999_999_999, '1.00 GB'],
  [2 ** 53, '9007.20 TB'],
])('a size of %d bytes has the unit of what it is rounded to: %s', (bytes, text) => {
  expect(size(bytes)).toBe(text);
});
