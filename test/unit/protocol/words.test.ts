import { expect, it } from 'vitest';
import { plural } from '../../../src/protocol/words';

it('counts are written with their nouns', () => {
  expect(plural(1, 'tensor')).toBe('1 tensor');
  expect(plural(0, 'tensor')).toBe('0 tensors');
  expect(plural(23_342, 'tensor')).toBe('23,342 tensors');
  expect([1, 2].map((count) => plural(count, 'matrix', 'matrices'))).toEqual(['1 matrix', '2 matrices']);
});
