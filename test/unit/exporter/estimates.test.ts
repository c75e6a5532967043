import { expect, it } from 'vitest';
import { methodMemory } from '../../../src/exporter/estimates';
import { gptqDescent } from '../../../src/quant/methods/gptqDescent';
import { rtn } from '../../../src/quant/methods/rtn';

it('the memory of two-sided codes is that of one-sided ones and of the covariance of the rows, as far as it is kept', () => {
  const memory = (rows: number, objective: string): number =>
    methodMemory(gptqDescent, [rows, 1024], { objective });
  const hessian = 2 * 8 * 1024 ** 2;
  expect([memory(4096, 'one-sided'), methodMemory(gptqDescent, [4096, 1024])]).toEqual([hessian, hessian]);
  expect(memory(4096, 'two-sided')).toBe(hessian + 8 * 4096 ** 2);
  expect(memory(8192, 'two-sided')).toBe(hessian + 8 * 8192 ** 2);
  expect(memory(8193, 'two-sided')).toBe(hessian + 8 * 8193); // the diagonal
  expect(methodMemory(rtn, [4096, 1024])).toBe(0);
});
