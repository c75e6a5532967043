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

/** States that one layer of the search may hold: a bound on time and memory that trained models stay far below. */
const maxStates = 400_000;

/** A choice with its place in the caller's list and its reduced cost at the LP multiplier. */
interface Option extends Choice {
  readonly index: number;
  readonly reduced: number;
}

/**
 * The multiple-choice knapsack: one choice per class, Σ bytes ≤ budget, Σ cost smallest. Exact.
 *
 * The linear relaxation gives a multiplier λ and with it a lower bound L = Σ min_j(c + λb) − λB. A solution costs
 * L + Σ reduced costs + λ·(unused bytes), so one that beats L + g has reduced costs of at most g in all. The search walks
 * the classes keeping Pareto-optimal (bytes, cost) states within g, and widens g until a solution lies within it, which is
 * then optimal (Kellerer, Pferschy, Pisinger: Knapsack Problems, chapter 11).
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

  const relaxed = relax(pareto, budget);
  const options = pareto.map((choices) => withReducedCost(choices, relaxed.lambda));
  const bound = lowerBound(options, relaxed.lambda, budget);
  let best = relaxed.chosen;
  let gap = Math.max(costOf(classes, best) - bound, 0);
  const whole = gap;
  for (gap = whole / 64; ; gap = Math.min(gap * 4, whole)) {
    const found = search(options, budget, gap * (1 + 1e-12) + Number.MIN_VALUE);
    if (found === 'too many') {
      const cost = costOf(classes, best);
      return solution(classes, best, false, cost === 0 ? 0 : Math.max(0, cost - bound) / cost);
    }
    if (found && costOf(classes, found) <= costOf(classes, best)) best = found;
    // Within the gap everything was seen: what lies inside it is the optimum, and at the full gap nothing is left.
    if (gap >= whole || costOf(classes, best) - bound <= gap) return solution(classes, best, true, 0);
  }
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

function lowerBound(classes: readonly (readonly Option[])[], lambda: number, budget: number): number {
  const least = classes.map((options) =>
    Math.min(...options.map((option) => option.cost + lambda * option.bytes)),
  );
  return least.reduce((sum, value) => sum + value, 0) - lambda * budget;
}

/** States after some classes, by bytes ascending and cost descending; `from` and `index` lead back. */
interface Layer {
  readonly bytes: number[];
  readonly cost: number[];
  readonly reduced: number[];
  readonly from: number[];
  readonly index: number[];
}

/** The cheapest assignment whose reduced costs sum to at most `gap`; undefined when there is none. */
function search(
  classes: readonly (readonly Option[])[],
  budget: number,
  gap: number,
): number[] | undefined | 'too many' {
  const allowed = classes.map((options) => options.filter((option) => option.reduced <= gap));
  const order = allowed.map((_, i) => i).sort((a, b) => allowed[a]!.length - allowed[b]!.length);
  const needed = remainingBytes(order.map((i) => allowed[i]!));
  let layer: Layer = { bytes: [0], cost: [0], reduced: [0], from: [-1], index: [-1] };
  const layers: Layer[] = [];
  for (const [depth, item] of order.entries()) {
    layer = extend(layer, allowed[item]!, budget - needed[depth + 1]!, gap);
    if (layer.bytes.length === 0) return undefined;
    if (layer.bytes.length > maxStates) return 'too many';
    layers.push(layer);
  }
  return trace(layers, order);
}

/** Least bytes that the classes from each depth on still need. */
function remainingBytes(classes: readonly (readonly Option[])[]): number[] {
  const needed = [0];
  for (const options of [...classes].reverse())
    needed.unshift(needed[0]! + Math.min(...options.map((option) => option.bytes)));
  return needed;
}

function extend(layer: Layer, options: readonly Option[], limit: number, gap: number): Layer {
  const states: { bytes: number; cost: number; reduced: number; from: number; index: number }[] = [];
  for (let from = 0; from < layer.bytes.length; from++) {
    for (const option of options) {
      const bytes = layer.bytes[from]! + option.bytes;
      const reduced = layer.reduced[from]! + option.reduced;
      if (bytes <= limit && reduced <= gap)
        states.push({ bytes, cost: layer.cost[from]! + option.cost, reduced, from, index: option.index });
    }
  }
  states.sort((a, b) => a.bytes - b.bytes || a.cost - b.cost);
  const next: Layer = { bytes: [], cost: [], reduced: [], from: [], index: [] };
  let least = Infinity;
  for (const state of states) {
    if (state.cost >= least) continue;
    least = state.cost;
    next.bytes.push(state.bytes);
    next.cost.push(state.cost);
    next.reduced.push(state.reduced);
    next.from.push(state.from);
    next.index.push(state.index);
  }
  return next;
}

/** Costs fall with bytes, so the last state is the cheapest. */
function trace(layers: readonly Layer[], order: readonly number[]): number[] {
  const chosen = new Array<number>(order.length);
  let at = layers[layers.length - 1]!.bytes.length - 1;
  for (let depth = order.length - 1; depth >= 0; depth--) {
    chosen[order[depth]!] = layers[depth]!.index[at]!;
    at = layers[depth]!.from[at]!;
  }
  return chosen;
}
