import { describe, expect, it } from 'vitest';
import { knapsackSolver, solveKnapsack } from '../../../src/ampq/knapsack';
import type { Choice } from '../../../src/ampq/knapsackClasses';
import { Random } from '../../support/random';

/** Every assignment, one by one. */
function bruteForce(classes: readonly (readonly Choice[])[], budget: number): number | undefined {
  let best: number | undefined;
  const walk = (depth: number, bytes: number, cost: number): void => {
    if (bytes > budget) return;
    if (depth === classes.length) {
      best = best === undefined ? cost : Math.min(best, cost);
      return;
    }
    for (const choice of classes[depth]!) walk(depth + 1, bytes + choice.bytes, cost + choice.cost);
  };
  walk(0, 0, 0);
  return best;
}

/** Textbook dynamic programme over every byte of the budget. */
function dynamic(classes: readonly (readonly Choice[])[], budget: number): number {
  let best = new Float64Array(budget + 1);
  for (const choices of classes) {
    const next = new Float64Array(budget + 1).fill(Infinity);
    for (const { bytes, cost } of choices) {
      for (let b = bytes; b <= budget; b++) next[b] = Math.min(next[b]!, best[b - bytes]! + cost);
    }
    best = next;
  }
  return best[budget]!;
}

function randomClasses(
  random: Random,
  count: number,
  choices: number,
  maxBytes: number,
  maxCost: number,
): Choice[][] {
  const whole = (limit: number): number => Math.floor(random.next() * limit);
  return Array.from({ length: count }, () =>
    Array.from({ length: 1 + whole(choices) }, () => ({ bytes: whole(maxBytes), cost: whole(maxCost) })),
  );
}

describe('solveKnapsack', () => {
  it('finds the optimum of 500 small instances, ties included', () => {
    const random = new Random(11);
    for (let round = 0; round < 500; round++) {
      const classes = randomClasses(random, 1 + (round % 6), 5, 12, round % 2 === 0 ? 9 : 1000);
      const budget = Math.floor(random.next() * 40);
      const expected = bruteForce(classes, budget);
      const found = solveKnapsack(classes, budget);
      expect(found?.cost, JSON.stringify({ classes, budget })).toBe(expected);
      if (!found) continue;
      expect(found.optimal).toBe(true);
      expect(found.bytes).toBeLessThanOrEqual(budget);
      expect(found.bytes).toBe(found.chosen.reduce((sum, choice, i) => sum + classes[i]![choice]!.bytes, 0));
    }
  });

  it('agrees with the dynamic programme over every byte', () => {
    const random = new Random(12);
    for (let round = 0; round < 20; round++) {
      const classes = randomClasses(random, 40, 7, 200, 10_000).map((choices) => [
        { bytes: 0, cost: 20_000 },
        ...choices,
      ]);
      const budget = 500 + round * 150;
      expect(solveKnapsack(classes, budget)!.cost).toBe(dynamic(classes, budget));
    }
  });

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
      const found = solveKnapsack(classes, (parameters * target) / 8)!;
      expect(found.optimal).toBe(true);
      expect((found.bytes * 8) / parameters).toBeLessThanOrEqual(target);
      expect((found.bytes * 8) / parameters).toBeGreaterThan(target - 0.05);
    }
  });

  it('says how far from the optimum it can be when the search is too large', () => {
    const random = new Random(14);
    // Cost falls exactly with the bytes: every full use of the budget is as good, and no bound tells them apart.
    const classes = Array.from({ length: 400 }, () => {
      const bytes = Math.floor(1e9 + random.next() * 1e9);
      return [
        { bytes: 0, cost: bytes },
        { bytes, cost: random.next() },
      ];
    });
    const found = solveKnapsack(classes, 3e11)!;
    expect(found.bytes).toBeLessThanOrEqual(3e11);
    expect(found.optimal || found.gap < 0.01).toBe(true);
  });

  it('refuses a budget that nothing fits', () =>
    expect(solveKnapsack([[{ bytes: 5, cost: 0 }]], 4)).toBeUndefined());
  it('takes the best of everything when the budget allows', () => {
    const classes = [
      [
        { bytes: 1, cost: 9 },
        { bytes: 5, cost: 1 },
        { bytes: 9, cost: 3 },
      ],
    ];
    expect(solveKnapsack(classes, 100)).toEqual({
      ...{ chosen: Int32Array.of(1), bytes: 5, cost: 1 },
      ...{ optimal: true, gap: 0 },
    });
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

  it('answers for any number of budgets, in any order, as if each were the first', () => {
    const random = new Random(15);
    const classes = randomClasses(random, 12, 6, 40, 1000);
    const solver = knapsackSolver(classes);
    const budgets = [90, 400, 10, 150, 90, 220, 1000, 150];
    expect(budgets.map((budget) => solver(budget))).toEqual(
      budgets.map((budget) => solveKnapsack(classes, budget)),
    );
  });
});
