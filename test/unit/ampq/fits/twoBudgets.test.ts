import { describe, expect, it } from 'vitest';
import { knapsackSolver } from '../../../../src/ampq/knapsack';
import { leastOfBoth, solveTwoBudgets, type PlacedChoice } from '../../../../src/ampq/fits/twoBudgets';
import { Random } from '../../../support/random';

type Memory = 'ram' | 'gpu' | 'both';

/** A class of so many choices, the larger ones better on average, in one memory or in both. */
function classOf(random: Random, memory: Memory): PlacedChoice[] {
  return Array.from({ length: 1 + Math.floor(4 * random.next()) }, () => {
    const bytes = Math.floor(100 * random.next());
    const other = Math.floor(100 * random.next());
    return {
      ram: memory === 'gpu' ? 0 : bytes,
      gpu: memory === 'ram' ? 0 : memory === 'gpu' ? bytes : other,
      cost: random.next() * (101 - bytes),
    };
  });
}

/** Cost falls nearly with the bytes: every full use of a budget is about as good, and bounds hardly distinguish them. */
function indistinct(count: number): PlacedChoice[][] {
  const random = new Random(14);
  return Array.from({ length: count }, () => {
    const bytes = Math.floor(1e9 + random.next() * 1e9);
    return [
      { ram: 0, gpu: 0, cost: bytes },
      { ram: bytes, gpu: 0, cost: 1e6 * random.next() },
    ];
  });
}

/** The smallest cost of all assignments within both budgets. */
function leastCost(classes: readonly (readonly PlacedChoice[])[], ram: number, gpu: number): number {
  const [first, ...rest] = classes;
  if (ram < 0 || gpu < 0) return Infinity;
  if (!first) return 0;
  return Math.min(
    ...first.map((choice) => choice.cost + leastCost(rest, ram - choice.ram, gpu - choice.gpu)),
  );
}

describe('two budgets', () => {
  it('are met by the best of all assignments', () => {
    const random = new Random(11);
    const found = { plans: 0, none: 0 };
    for (let i = 0; i < 2000; i++) {
      const classes = (['ram', 'gpu', 'both', 'ram', 'gpu', 'both'] as const)
        .slice(0, 1 + Math.floor(6 * random.next()))
        .map((memory) => classOf(random, memory));
      const [ram, gpu] = [Math.floor(250 * random.next()), Math.floor(250 * random.next())];
      const expected = leastCost(classes, ram, gpu);
      const solved = solveTwoBudgets(classes, ram, gpu);
      found[solved ? 'plans' : 'none'] += 1;
      if (!solved) {
        expect(expected).toBe(Infinity);
        continue;
      }
      const chosen = classes.map((choices, at) => choices[solved.chosen[at]!]!);
      const sum = (key: keyof PlacedChoice): number => chosen.reduce((all, item) => all + item[key], 0);
      expect(sum('ram')).toBeLessThanOrEqual(ram);
      expect(sum('gpu')).toBeLessThanOrEqual(gpu);
      expect(sum('cost')).toBeCloseTo(expected, 9);
      expect(solved).toMatchObject({ cost: expect.closeTo(expected, 9) as number, optimal: true, gap: 0 });
    }
    expect(Math.min(found.plans, found.none)).toBeGreaterThan(200);
  });

  it('say how far from the optimum a plan can be where the search for another one was cut', () => {
    const inRam = indistinct(400);
    const room = 3e11;
    const cut = knapsackSolver(
      inRam.map((choices) => choices.map(({ ram, cost }) => ({ bytes: ram, cost }))),
    )(room)!;
    expect(cut.gap).toBeGreaterThan(1e-6);
    // One choice of the last class leaves that room, the other one room for all, at a cost between what was found and what is possible.
    const largest = (key: 'ram' | 'cost'): number =>
      inRam.reduce((sum, choices) => sum + choices[1]![key], 0);
    const own = cut.cost * (1 - cut.gap / 2) - largest('cost');
    const last = [
      { ram: largest('ram') - room, gpu: 1, cost: 0 },
      { ram: 0, gpu: 1, cost: own },
    ];
    const solved = solveTwoBudgets([...inRam, last], largest('ram'), 1)!;
    expect([solved.chosen.at(-1), solved.optimal]).toEqual([1, false]);
    expect((solved.cost * (1 - solved.gap)) / (cut.cost * (1 - cut.gap))).toBeCloseTo(1, 9);
  });

  it('hold at least the smallest choices of each memory', () => {
    const classes = [
      [
        { ram: 5, gpu: 0, cost: 1 },
        { ram: 9, gpu: 0, cost: 0 },
      ],
      [{ ram: 2, gpu: 7, cost: 1 }],
    ];
    expect(leastOfBoth(classes)).toEqual({ ram: 7, gpu: 7 });
    expect(solveTwoBudgets(classes, 7, 7)?.chosen).toEqual(Int32Array.of(0, 0));
    expect(solveTwoBudgets(classes, 6, 7)).toBeUndefined();
    expect(solveTwoBudgets(classes, 7, 6)).toBeUndefined();
  });
});
