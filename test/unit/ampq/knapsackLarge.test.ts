import { describe, expect, it } from 'vitest';
import { knapsackSolver } from '../../../src/ampq/knapsack';
import { Random } from '../../support/random';

describe('knapsackSolver', () => {
  it('solves 300 tensors of three sizes in 8 formats', () => {
    const random = new Random(13);
    const bits = [4.25, 4.5, 5.5, 6.5625, 8.5, 16];
    const classes = Array.from({ length: 300 }, (_, i) => {
      const weights = [4096 * 4096, 4096 * 11008, 4096 * 1024][i % 3]!;
      const scale = Math.exp(random.normal());
      return bits.map((b) => ({
        bytes: (weights * b) / 8,
        cost: weights * scale * 4 ** -b * (1 + 0.1 * random.next()),
      }));
    });
    const parameters = classes.reduce((sum, choices) => sum + (choices[0]!.bytes * 8) / 4.25, 0);
    for (const target of [4.3, 4.5, 5, 6, 8]) {
      const found = knapsackSolver(classes)((parameters * target) / 8)!;
      expect(found.optimal).toBe(true);
      expect((found.bytes * 8) / parameters).toBeLessThanOrEqual(target);
      expect((found.bytes * 8) / parameters).toBeGreaterThan(target - 0.05);
    }
  });

  it('says how much a quick search may have missed among many tensors of one size', () => {
    const random = new Random(16);
    const classes = Array.from({ length: 2000 }, () => {
      const scale = 1 + 0.05 * random.next();
      return [4.5, 5.5, 6.5625, 8.5].map((b) => ({ bytes: 64 * b, cost: scale * 4 ** -b }));
    });
    const solver = knapsackSolver(classes);
    let missed = 0;
    for (let budget = 64 * 4.6 * 2000; budget < 64 * 6 * 2000; budget += 20_037) {
      const [quick, exact] = [solver(budget, 'quick')!, solver(budget)!];
      expect(quick.bytes).toBeLessThanOrEqual(budget);
      expect(quick.cost).toBeGreaterThanOrEqual(exact.cost);
      expect(quick.cost * (1 - quick.gap)).toBeLessThanOrEqual(exact.cost * (1 + 1e-12));
      expect(quick.gap).toBeLessThan(1e-3);
      missed += quick.optimal ? 0 : 1;
    }
    expect(missed).toBeGreaterThan(0);
  });
});
