import type { KnapsackClasses } from './knapsackClasses';
import { greatestOf, leastOf } from '../protocol/extremes';

export interface SearchProblem {
  readonly classes: KnapsackClasses;
  /** Of each option: cost + λ · bytes, less the smallest such sum of its class; so at least 0, and 0 for one option of each class. */
  readonly reduced: Float64Array;
  readonly budget: number;
  readonly lambda: number;
}

/** An option that a search tries. */
interface Option {
  /** Its number among the options of all classes. */
  readonly number: number;
  readonly bytes: number;
  readonly cost: number;
  readonly reduced: number;
}

/** Remaining states, shared by the searches of one solution; bounds their time and memory. */
export interface Work {
  left: number;
}

/** Pareto-optimal states, by bytes ascending and so by cost descending; `from` and `option` lead back. */
interface Layer {
  readonly count: number;
  readonly bytes: Float64Array;
  readonly cost: Float64Array;
  readonly reduced: Float64Array;
  readonly from: Int32Array;
  readonly option: Int32Array;
}

/** Limits that a state must respect to become a solution within the gap. */
interface Limits {
  readonly maxBytes: number;
  /** With fewer bytes than this some of the budget stays unused, at λ per byte. */
  readonly fullBytes: number;
  readonly lambda: number;
  readonly gap: number;
}

/**
 * The cheapest assignment among those with Σ reduced costs + λ · unused bytes ≤ gap.
 * @returns for each class the number of its option; undefined if there is none; 'too many' when the work ran
 * out.
 */
export function search(problem: SearchProblem, gap: number, work: Work): Int32Array | undefined | 'too many' {
  const { budget, lambda } = problem;
  const { chosen, free, first } = within(problem, gap);
  const rest = remaining(free.map(({ options }) => options));
  let layer = first;
  const layers: Layer[] = [];
  for (const [depth, { options }] of free.entries()) {
    const { least, most } = rest[depth + 1]!;
    layer = extend(layer, options, {
      ...{ maxBytes: budget - least, fullBytes: budget - most },
      ...{ lambda, gap },
    });
    work.left -= layer.count * options.length;
    if (work.left < 0) return 'too many';
    if (layer.count === 0) return undefined;
    layers.push(layer);
  }
  if (
    layers.length === 0 &&
    !isWithin(layer.bytes[0]!, 0, { maxBytes: budget, fullBytes: budget, lambda, gap })
  )
    return undefined;
  // Costs fall with bytes, so the last state is the cheapest.
  for (let depth = layers.length - 1, at = layer.count - 1; depth >= 0; depth--) {
    const { options, item } = free[depth]!;
    chosen[item] = options[layers[depth]!.option[at]!]!.number;
    at = layers[depth]!.from[at]!;
  }
  return chosen;
}

/** A class with several options within the gap. */
interface FreeClass {
  readonly item: number;
  readonly options: readonly Option[];
  /** Least reduced cost of an alternative to the option whose reduced cost is 0. */
  readonly dearness: number;
}

/**
 * What the gap leaves to decide: classes with one option left, which has no reduced cost, are constants, summed up in the first layer. The others go from the
 * most expensive alternative to the cheapest, so the layers stay small until the end.
 */
function within(
  { classes, reduced }: SearchProblem,
  gap: number,
): { chosen: Int32Array; free: FreeClass[]; first: Layer } {
  const { count, start, bytes, cost } = classes;
  const chosen = new Int32Array(count);
  const free: FreeClass[] = [];
  const first = makeLayer(1, 1);
  for (let item = 0; item < count; item++) {
    let only = -1;
    let allowed = 0;
    for (let option = start[item]!; option < start[item + 1]!; option++) {
      if (reduced[option]! > gap) continue;
      if (allowed++ === 0) only = option;
    }
    chosen[item] = only;
    if (allowed > 1) {
      const options = allowedOptions(classes, reduced, item, gap);
      free.push({ item, options, dearness: secondSmallest(options) });
      continue;
    }
    first.bytes[0]! += bytes[only]!;
    first.cost[0]! += cost[only]!;
  }
  free.sort((a, b) => b.dearness - a.dearness);
  return { chosen, free, first };
}

function allowedOptions(
  { start, bytes, cost }: KnapsackClasses,
  reduced: Float64Array,
  item: number,
  gap: number,
): Option[] {
  const options: Option[] = [];
  for (let number = start[item]!; number < start[item + 1]!; number++) {
    if (reduced[number]! > gap) continue;
    options.push({ number, bytes: bytes[number]!, cost: cost[number]!, reduced: reduced[number]! });
  }
  return options;
}

function secondSmallest(options: readonly Option[]): number {
  return options.map((option) => option.reduced).sort((a, b) => a - b)[1]!;
}

/** Least and most bytes that the classes from each depth on take. */
function remaining(classes: readonly (readonly Option[])[]): { least: number; most: number }[] {
  const sums = [{ least: 0, most: 0 }];
  for (const options of [...classes].reverse()) {
    const bytes = options.map((option) => option.bytes);
    const { least, most } = sums.at(-1)!;
    sums.push({ least: least + leastOf(bytes), most: most + greatestOf(bytes) });
  }
  return sums.reverse();
}

function makeLayer(capacity: number, count: number): Layer {
  return {
    count,
    bytes: new Float64Array(capacity),
    cost: new Float64Array(capacity),
    reduced: new Float64Array(capacity),
    from: new Int32Array(capacity),
    option: new Int32Array(capacity),
  };
}

function isWithin(bytes: number, reduced: number, { maxBytes, fullBytes, lambda, gap }: Limits): boolean {
  return bytes <= maxBytes && reduced + lambda * Math.max(0, fullBytes - bytes) <= gap;
}

/** Every state with every option: one sorted list per option, merged; what another beats in bytes and cost is left out. */
function extend(layer: Layer, options: readonly Option[], limits: Limits): Layer {
  const heads = new Int32Array(options.length);
  const next = makeLayer(layer.count * options.length, 0);
  let count = 0;
  let leastCost = Infinity;
  for (;;) {
    const best = cheapestHead(layer, options, heads);
    if (best < 0) break;
    const from = heads[best]!++;
    const option = options[best]!;
    const cost = layer.cost[from]! + option.cost;
    if (cost >= leastCost) continue;
    const bytes = layer.bytes[from]! + option.bytes;
    const reduced = layer.reduced[from]! + option.reduced;
    if (!isWithin(bytes, reduced, limits)) continue;
    leastCost = cost;
    next.bytes[count] = bytes;
    next.cost[count] = cost;
    next.reduced[count] = reduced;
    next.from[count] = from;
    next.option[count] = best;
    count += 1;
  }
  return { ...next, count };
}

/** The option whose next state has the fewest bytes (at a tie the lowest cost); -1 when all lists are spent. */
function cheapestHead(layer: Layer, options: readonly Option[], heads: Int32Array): number {
  let best = -1;
  let bytes = Infinity;
  let cost = Infinity;
  for (let i = 0; i < options.length; i++) {
    const at = heads[i]!;
    if (at >= layer.count) continue;
    const itsBytes = layer.bytes[at]! + options[i]!.bytes;
    const itsCost = layer.cost[at]! + options[i]!.cost;
    if (itsBytes > bytes || (itsBytes === bytes && itsCost >= cost)) continue;
    best = i;
    bytes = itsBytes;
    cost = itsCost;
  }
  return best;
}
