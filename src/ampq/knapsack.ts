import { search, type Option } from './knapsackSearch';

/** One way to store an item: what it weighs (bytes) and what it costs (error). */
export interface Choice {
  readonly bytes: number;
  readonly cost: number;
}

export interface KnapsackSolution {
  /** For each class the index of its choice. */
  readonly chosen: readonly number[];
  readonly bytes: number;
  readonly cost: number;
  /** False when the search was cut; then `gap` bounds how much better the optimum can be, relative to the cost. */
  readonly optimal: boolean;
  readonly gap: number;
}

/** States that the searches for one solution may make: a fraction of a second; trained models stay far below. */
const maxWork = 4_000_000;

/**
 * The multiple-choice knapsack: one choice per class, Σ bytes ≤ budget, Σ cost smallest. Exact.
 *
 * The linear relaxation gives a multiplier λ and with it a lower bound L = Σ min_j(c + λb) − λB. A solution costs
 * L + Σ reduced costs + λ·(unused bytes), so one that beats L + g has at most g of these in all. The search walks the
 * classes keeping Pareto-optimal (bytes, cost) states within g, and widens g, never beyond what the best solution so far
 * leaves open, until a solution lies within it, which is then optimal up to the rounding of float64 sums (Kellerer,
 * Pferschy, Pisinger: Knapsack Problems, chapter 11). The work is capped; `gap` then says what is left open.
 * @returns undefined when even the smallest choices exceed the budget.
 */
export function solveKnapsack(
  classes: readonly (readonly Choice[])[],
  budget: number,
): KnapsackSolution | undefined {
  const smallest = classes.map((choices) => indexOfSmallest(choices));
  if (bytesOf(classes, smallest) > budget) return undefined;
  const pareto = classes.map(paretoOptimal);
  const largest = pareto.map((options) => options[options.length - 1]!.index);
  if (bytesOf(classes, largest) <= budget) return solution(classes, largest, true, 0);

  const { lambda, chosen } = relax(pareto, budget);
  const options = pareto.map((choices) => withReducedCost(choices, lambda));
  const { bound, slack } = lowerBound(options, lambda, budget);
  const work = { left: maxWork };
  let best = chosen;
  const whole = distance(classes, best, bound);
  for (let gap = whole / 64; ; gap *= 3) {
    const reach = Math.min(gap, distance(classes, best, bound));
    const found = search({ classes: options, budget, lambda }, reach + slack, work);
    if (found === 'too many') {
      const cost = costOf(classes, best);
      return solution(classes, best, false, cost === 0 ? 0 : distance(classes, best, bound) / cost);
    }
    if (found && costOf(classes, found) <= costOf(classes, best)) best = found;
    // Everything within reach of the bound was seen, and the best solution lies there: nothing better is left.
    if (distance(classes, best, bound) <= reach) return solution(classes, best, true, 0);
  }
}

/** How much better than this assignment the optimum could be. */
function distance(classes: readonly (readonly Choice[])[], chosen: readonly number[], bound: number): number {
  return Math.max(costOf(classes, chosen) - bound, 0);
}

function solution(
  classes: readonly (readonly Choice[])[],
  chosen: readonly number[],
  optimal: boolean,
  gap: number,
): KnapsackSolution {
  return { chosen, bytes: bytesOf(classes, chosen), cost: costOf(classes, chosen), optimal, gap };
}

function bytesOf(classes: readonly (readonly Choice[])[], chosen: readonly number[]): number {
  return classes.reduce((sum, choices, i) => sum + choices[chosen[i]!]!.bytes, 0);
}

function costOf(classes: readonly (readonly Choice[])[], chosen: readonly number[]): number {
  return classes.reduce((sum, choices, i) => sum + choices[chosen[i]!]!.cost, 0);
}

function indexOfSmallest(choices: readonly Choice[]): number {
  return choices.reduce((best, choice, i) => (choice.bytes < choices[best]!.bytes ? i : best), 0);
}

/** Choices that no other beats in both bytes and cost, by bytes ascending. */
function paretoOptimal(choices: readonly Choice[]): Option[] {
  const sorted = choices
    .map((choice, index) => ({ ...choice, index, reduced: 0 }))
    .sort((a, b) => a.bytes - b.bytes || a.cost - b.cost);
  const kept: Option[] = [];
  for (const option of sorted) {
    const last = kept[kept.length - 1];
    if (!last || option.cost < last.cost) kept.push(option);
  }
  return kept;
}

interface Step {
  readonly item: number;
  readonly to: Option;
  readonly bytes: number;
  /** Cost saved per byte. */
  readonly gain: number;
}

/** Greedy along the convex hulls: the multiplier at which the budget runs out, and a feasible assignment. */
function relax(
  classes: readonly (readonly Option[])[],
  budget: number,
): { lambda: number; chosen: number[] } {
  const chosen = classes.map((options) => options[0]!.index);
  let left = budget - classes.reduce((sum, options) => sum + options[0]!.bytes, 0);
  const steps = classes.flatMap((options, item) => hullSteps(options, item)).sort((a, b) => b.gain - a.gain);
  const stopped = new Set<number>();
  let lambda: number | undefined;
  for (const step of steps) {
    if (stopped.has(step.item)) continue;
    if (step.bytes > left) {
      lambda ??= step.gain;
      stopped.add(step.item); // later steps of this class build on this one
      continue;
    }
    left -= step.bytes;
    chosen[step.item] = step.to.index;
  }
  return { lambda: lambda ?? 0, chosen };
}

/** Upgrades along the lower convex hull of a class, with decreasing gain. */
function hullSteps(options: readonly Option[], item: number): Step[] {
  const hull: Option[] = [];
  const slope = (a: Option, b: Option): number => (a.cost - b.cost) / (b.bytes - a.bytes);
  for (const option of options) {
    while (
      hull.length >= 2 &&
      slope(hull[hull.length - 2]!, hull[hull.length - 1]!) <= slope(hull[hull.length - 1]!, option)
    )
      hull.pop();
    hull.push(option);
  }
  return hull
    .slice(1)
    .map((to, i) => ({ item, to, bytes: to.bytes - hull[i]!.bytes, gain: slope(hull[i]!, to) }));
}

function withReducedCost(options: readonly Option[], lambda: number): Option[] {
  const least = Math.min(...options.map((option) => option.cost + lambda * option.bytes));
  return options.map((option) => ({ ...option, reduced: option.cost + lambda * option.bytes - least }));
}

/** L, and what rounding can add to a sum of reduced costs. */
function lowerBound(
  classes: readonly (readonly Option[])[],
  lambda: number,
  budget: number,
): { bound: number; slack: number } {
  const least = classes.map((options) =>
    Math.min(...options.map((option) => option.cost + lambda * option.bytes)),
  );
  const sum = least.reduce((total, value) => total + value, 0);
  return { bound: sum - lambda * budget, slack: 1e-13 * (sum + lambda * budget) };
}
