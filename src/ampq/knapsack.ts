import { prepareClasses, type Choice, type KnapsackClasses } from './knapsackClasses';
import { search } from './knapsackSearch';

export interface KnapsackSolution {
  /** For each class the index of its choice. */
  readonly chosen: Int32Array;
  readonly bytes: number;
  readonly cost: number;
  /** False when the search was cut; then `gap` bounds how much better the optimum can be, relative to the cost. */
  readonly optimal: boolean;
  readonly gap: number;
}

/**
 * Solves the knapsack of some classes for a budget; undefined when even the smallest choices exceed it.
 * @param effort of the search for the optimum, where it is far from what the relaxation finds.
 */
export type KnapsackSolver = (budget: number, effort?: Effort) => KnapsackSolution | undefined;

/** `exact` may take a fraction of a second; `quick`, for a slider that moves, some milliseconds. */
export type Effort = 'exact' | 'quick';

/** Maximum states of the searches for one solution; trained models stay far below. */
const maxWork: Readonly<Record<Effort, number>> = { exact: 4_000_000, quick: 100_000 };

/**
 * The multiple-choice knapsack: one choice per class, Σ bytes ≤ budget, Σ cost smallest. Exact. Work that does not depend on the budget is
 * done once, so that a budget that moves costs a few passes over the options.
 *
 * The linear relaxation gives a multiplier λ and with it a lower bound L = Σ min_j(c + λb) − λB. A solution costs
 * L + Σ reduced costs + λ·(unused bytes), so one that beats L + g has at most g of these in all. The search walks the
 * classes keeping Pareto-optimal (bytes, cost) states within g, and widens g, never beyond what the best solution so far
 * leaves open, until a solution lies within it, which is then optimal up to the rounding of float64 sums (Kellerer,
 * Pferschy, Pisinger: Knapsack Problems, chapter 11). The work is capped; `gap` then bounds the remainder.
 */
export const knapsackSolver = (classes: readonly (readonly Choice[])[]): KnapsackSolver =>
  preparedSolver(prepareClasses(classes));

/** The same for classes that are prepared already. */
export function preparedSolver(prepared: KnapsackClasses): KnapsackSolver {
  const smallest = prepared.start.slice(0, -1);
  const largest = prepared.start.slice(1).map((end) => end - 1);
  const [least, most] = [bytesOf(prepared, smallest), bytesOf(prepared, largest)];
  return (budget, effort = 'exact') => {
    if (least > budget) return undefined;
    if (most <= budget) return solution(prepared, largest, true, 0);
    return solveTight(prepared, smallest, budget, budget - least, maxWork[effort]);
  };
}

/** A budget that lies between all smallest and all largest choices. */
function solveTight(
  classes: KnapsackClasses,
  smallest: Int32Array,
  budget: number,
  left: number,
  maxStates: number,
): KnapsackSolution {
  const { lambda, chosen } = relax(classes, smallest, left);
  const { reduced, bound, slack } = relaxed(classes, lambda, budget);
  const distance = (options: Int32Array): number => Math.max(costOf(classes, options) - bound, 0);
  const work = { left: maxStates };
  let best = chosen;
  let open = distance(best);
  for (let gap = open / 64; ; gap *= 3) {
    const reach = Math.min(gap, open);
    const found = search({ classes, reduced, budget, lambda }, reach + slack, work);
    if (found === 'too many') {
      const cost = costOf(classes, best);
      return solution(classes, best, false, cost === 0 ? 0 : open / cost);
    }
    if (found && costOf(classes, found) <= costOf(classes, best)) {
      best = found;
      open = distance(best);
    }
    // Everything within the bound was searched, so the best solution found is optimal.
    if (open <= reach) return solution(classes, best, true, 0);
  }
}

function solution(
  classes: KnapsackClasses,
  options: Int32Array,
  optimal: boolean,
  gap: number,
): KnapsackSolution {
  const chosen = options.map((option) => classes.index[option]!);
  return { chosen, bytes: bytesOf(classes, options), cost: costOf(classes, options), optimal, gap };
}

const bytesOf = ({ bytes }: KnapsackClasses, options: Int32Array): number => sumAt(bytes, options);
const costOf = ({ cost }: KnapsackClasses, options: Int32Array): number => sumAt(cost, options);

function sumAt(values: Float64Array, places: Int32Array): number {
  let sum = 0;
  for (const place of places) sum += values[place]!;
  return sum;
}

/**
 * Greedy along the convex hulls: the multiplier at which the budget runs out, and a feasible assignment.
 * @param left bytes of the budget that the smallest choices leave.
 */
function relax(
  { upgrades, count }: KnapsackClasses,
  smallest: Int32Array,
  left: number,
): { lambda: number; chosen: Int32Array } {
  const chosen = smallest.slice();
  const stopped = new Uint8Array(count);
  let lambda: number | undefined;
  for (let at = 0; at < upgrades.count; at++) {
    const item = upgrades.item[at]!;
    if (stopped[item]) continue;
    if (upgrades.bytes[at]! > left) {
      lambda ??= upgrades.gain[at]!;
      stopped[item] = 1; // later upgrades of this class build on this one
      continue;
    }
    left -= upgrades.bytes[at]!;
    chosen[item] = upgrades.option[at]!;
  }
  return { lambda: lambda ?? 0, chosen };
}

/** Reduced costs at λ, the lower bound L, and what rounding can add to a sum of reduced costs. */
function relaxed(
  { count, start, bytes, cost }: KnapsackClasses,
  lambda: number,
  budget: number,
): { reduced: Float64Array; bound: number; slack: number } {
  const reduced = new Float64Array(cost.length);
  let sum = 0;
  for (let item = 0; item < count; item++) {
    const [first, end] = [start[item]!, start[item + 1]!];
    let least = Infinity;
    for (let option = first; option < end; option++) {
      reduced[option] = cost[option]! + lambda * bytes[option]!;
      least = Math.min(least, reduced[option]!);
    }
    for (let option = first; option < end; option++) reduced[option]! -= least;
    sum += least;
  }
  return { reduced, bound: sum - lambda * budget, slack: 1e-13 * (sum + lambda * budget) };
}
