import { describe, expect, it } from 'vitest';
import { prepareClasses, type Choice } from '../../../src/ampq/knapsackClasses';
import { search, type SearchProblem } from '../../../src/ampq/knapsackSearch';
import { Random } from '../../support/random';

interface State {
  readonly bytes: number;
  readonly cost: number;
  readonly reduced: number;
}

function problemOf(choices: readonly (readonly Choice[])[], budget: number, lambda: number): SearchProblem {
  const classes = prepareClasses(choices);
  const sums = classes.cost.map((cost, option) => cost + lambda * classes.bytes[option]!);
  const reduced = new Float64Array(sums.length);
  for (let item = 0; item < classes.count; item++) {
    const own = sums.subarray(classes.start[item], classes.start[item + 1]);
    reduced.set(
      own.map((sum) => sum - Math.min(...own)),
      classes.start[item],
    );
  }
  return { classes, reduced, budget, lambda };
}

/** Options of each class within the gap, in the order in which the search decides them: fixed ones first, then the dearest. */
function orderedOptions({ classes, reduced }: SearchProblem, gap: number): State[][] {
  const { bytes, cost } = classes;
  const options = Array.from({ length: classes.count }, (_, item) =>
    Array.from(reduced.keys())
      .slice(classes.start[item], classes.start[item + 1])
      .filter((option) => reduced[option]! <= gap)
      .map((option) => ({ bytes: bytes[option]!, cost: cost[option]!, reduced: reduced[option]! })),
  );
  const second = (states: readonly State[]): number =>
    states.map((state) => state.reduced).sort((a, b) => a - b)[1] ?? Infinity;
  return options.sort((a, b) => second(b) - second(a) || 0);
}

/** The same search, written as defined: every state with every option, then those that qualify. */
function reference(problem: SearchProblem, gap: number): { best: State | undefined; states: number } {
  const { budget, lambda } = problem;
  const options = orderedOptions(problem, gap);
  let states = 0;
  let layer: State[] = [{ bytes: 0, cost: 0, reduced: 0 }];
  for (const [depth, own] of options.entries()) {
    const rest = options.slice(depth + 1).map((others) => others.map(({ bytes }) => bytes));
    const least = rest.reduce((sum, bytes) => sum + Math.min(...bytes), 0);
    const most = rest.reduce((sum, bytes) => sum + Math.max(...bytes), 0);
    const isFree = own.length > 1;
    const next = layer
      .flatMap((a) =>
        own.map((b) => ({
          bytes: a.bytes + b.bytes,
          cost: a.cost + b.cost,
          reduced: a.reduced + b.reduced,
        })),
      )
      .filter(({ bytes }) => !isFree || bytes <= budget - least)
      .filter(({ bytes, reduced }) => !isFree || reduced + lambda * Math.max(0, budget - most - bytes) <= gap)
      .sort((a, b) => a.bytes - b.bytes || a.cost - b.cost);
    layer = next.filter(({ cost }, i) => next.slice(0, i).every((before) => before.cost > cost));
    if (isFree) states += layer.length * own.length;
    if (layer.length === 0) return { best: undefined, states };
  }
  const best = layer.at(-1)!;
  const fits = best.bytes <= budget && best.reduced + lambda * (budget - best.bytes) <= gap;
  return { best: fits ? best : undefined, states };
}

function randomProblem(random: Random, round: number): SearchProblem {
  const whole = (limit: number): number => Math.floor(random.next() * limit);
  const choices = Array.from({ length: 1 + (round % 6) }, () =>
    Array.from({ length: 1 + whole(5) }, () => ({ bytes: whole(12), cost: whole(12) })),
  );
  return problemOf(choices, whole(12 * choices.length), whole(4));
}

describe('search', () => {
  it('finds the cheapest assignment within a gap, and tries no more states than that takes', () => {
    const random = new Random(21);
    const seen = { found: 0, none: 0 };
    for (let round = 0; round < 400; round++) {
      const problem = randomProblem(random, round);
      for (const gap of [0, 2, 5, 12]) {
        const { best, states } = reference(problem, gap);
        const work = { left: 100_000 };
        const found = search(problem, gap, work);
        if (found === 'too many') throw new Error('out of work');
        const { bytes, cost } = problem.classes;
        const sum = (values: Float64Array) => found?.reduce((total, option) => total + values[option]!, 0);
        const name = `round ${round}, gap ${gap}`;
        expect({ bytes: sum(bytes), cost: sum(cost) }, name).toEqual({
          bytes: best?.bytes,
          cost: best?.cost,
        });
        expect(100_000 - work.left, name).toBe(states);
        seen[found ? 'found' : 'none'] += 1;
      }
    }
    expect(Math.min(seen.found, seen.none)).toBeGreaterThan(200);
  });

  it('gives each class one of its own options', () => {
    const random = new Random(22);
    for (let round = 0; round < 50; round++) {
      const problem = randomProblem(random, round);
      const { start } = problem.classes;
      const found = search(problem, 12, { left: 100_000 });
      if (found === undefined || found === 'too many') continue;
      for (const [item, option] of found.entries()) {
        expect(option).toBeGreaterThanOrEqual(start[item]!);
        expect(option).toBeLessThan(start[item + 1]!);
      }
    }
  });

  it('ends when its work limit is reached, and not before', () => {
    const choices = Array.from({ length: 3 }, () => [
      { bytes: 0, cost: 4 },
      { bytes: 4, cost: 0 },
    ]);
    const problem = problemOf(choices, 12, 1);
    const { states } = reference(problem, 20);
    const enough = { left: states };
    expect(search(problem, 20, enough)).toEqual(Int32Array.of(1, 3, 5));
    expect(enough.left).toBe(0);
    expect(search(problem, 20, { left: states - 1 })).toBe('too many');
  });
});
