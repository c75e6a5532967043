import { expect, it } from 'vitest';
import { rounded } from '../../../src/layouts/parts';

it.each(['F16', 'BF16'] as const)('rounds to %s what is beside values that are not finite', async (dtype) => {
  const values = Float32Array.of(1.00001, NaN, -2.00001, Infinity, 3, -Infinity);
  await rounded(values, dtype);
  expect([...values]).toEqual([1, NaN, -2, Infinity, 3, -Infinity]);
});
