import { describe, expect, it } from 'vitest';
import { knapsackSolver } from '../../../src/ampq/knapsack';
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

/** Cost falls exactly with the bytes: every full use of a budget is about as good, and no bound distinguishes them. */
function indistinct(count: number): Choice[][] {
  const random = new Random(14);
  return Array.from({ length: count }, () => {
    const bytes = Math.floor(1e9 + random.next() * 1e9);
    return [
      { bytes: 0, cost: bytes },
      { bytes, cost: random.next() },
    ];
  });
}

const sumChosen = (classes: readonly (readonly Choice[])[], chosen: Int32Array, of: keyof Choice): number =>
  chosen.reduce((sum, choice, i) => sum + classes[i]![choice]![of], 0);

describe('knapsackSolver', () => {
  it('finds the optimum of 300 small instances, ties included', () => {
    const random = new Random(11);
    for (let round = 0; round < 300; round++) {
      const classes = randomClasses(random, 1 + (round % 6), 5, 12, round % 2 === 0 ? 9 : 1000);
      const budget = Math.floor(random.next() * 40);
      const expected = bruteForce(classes, budget);
      const found = knapsackSolver(classes)(budget);
      expect(found?.cost, JSON.stringify({ classes, budget })).toBe(expected);
      if (!found) continue;
      expect(found.optimal).toBe(true);
      expect(found.bytes).toBeLessThanOrEqual(budget);
      expect(found.bytes).toBe(sumChosen(classes, found.chosen, 'bytes'));
    }
  });

  it('agrees with the dynamic programme over every byte', () => {
    const random = new Random(12);
    for (let round = 0; round < 5; round++) {
      const classes = randomClasses(random, 30, 7, 200, 10_000).map((choices) => [
        { bytes: 0, cost: 20_000 },
        ...choices,
      ]);
      const budget = 500 + round * 600;
      expect(knapsackSolver(classes)(budget)!.cost).toBe(dynamic(classes, budget));
    }
  });

  it('says how far from the optimum it can be when the search is too large', () => {
    const found = knapsackSolver(indistinct(400))(3e11, 'quick')!;
    expect(found.optimal).toBe(false);
    expect(found.bytes).toBeLessThanOrEqual(3e11);
    expect(found.cost).toBe(sumChosen(indistinct(400), found.chosen, 'cost'));
    // Every full use of the budget costs as much, but for the 0 to 1 of each class.
    const total = indistinct(400).reduce((sum, [none]) => sum + none!.cost, 0);
    expect(found.cost).toBeGreaterThanOrEqual(total - 3e11);
    expect(found.cost * (1 - found.gap)).toBeLessThanOrEqual(total - found.bytes + 400);
    expect(found.gap).toBeGreaterThan(0);
    expect(found.gap).toBeLessThan(0.01);
  });

  it('rejects a budget that nothing fits', () =>
    expect(knapsackSolver([[{ bytes: 5, cost: 0 }]])(4)).toBeUndefined());
  it('chooses the best of everything if the budget allows', () => {
    const classes = [
      [
        { bytes: 1, cost: 9 },
        { bytes: 5, cost: 1 },
        { bytes: 9, cost: 3 },
      ],
    ];
    for (const budget of [5, 100, Infinity])
      expect(knapsackSolver(classes)(budget)).toEqual({
        ...{ chosen: Int32Array.of(1), bytes: 5, cost: 1 },
        ...{ optimal: true, gap: 0 },
      });
  });

  it('answers for any number of budgets, in any order, as if each were the first', () => {
    const random = new Random(15);
    const classes = randomClasses(random, 12, 6, 40, 1000);
    const solver = knapsackSolver(classes);
    const budgets = [90, 400, 10, 150, 90, 220, 1000, 150];
    expect(budgets.map((budget) => solver(budget))).toEqual(
      budgets.map((budget) => knapsackSolver(classes)(budget)),
    );
  });
});
