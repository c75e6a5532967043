/** One way to store an item: what it weighs (bytes) and what it costs (error). */
export interface Choice {
  readonly bytes: number;
  readonly cost: number;
}

/**
 * The classes of a knapsack, prepared for many budgets. Options are those choices that no other of their class beats in both bytes and
 * cost; those of class i are numbered `start[i]` to `start[i + 1] − 1`, by bytes ascending and so by cost descending.
 */
export interface KnapsackClasses {
  readonly count: number;
  readonly start: Int32Array;
  readonly bytes: Float64Array;
  readonly cost: Float64Array;
  /** Place of an option among its class's choices. */
  readonly index: Int32Array;
  /** Upgrades along the lower convex hulls of all classes, those that save the most cost per byte first. */
  readonly upgrades: Upgrades;
}

/** Parallel arrays, an entry per upgrade. */
export interface Upgrades {
  readonly count: number;
  /** Class that is upgraded. */
  readonly item: Int32Array;
  /** Option that it is upgraded to. */
  readonly option: Int32Array;
  /** Bytes that the upgrade adds. */
  readonly bytes: Float64Array;
  /** Cost saved per byte. */
  readonly gain: Float64Array;
}

/** Budget-independent data of the classes. Each class has a choice. */
export function prepareClasses(classes: readonly (readonly Choice[])[]): KnapsackClasses {
  const start = new Int32Array(classes.length + 1);
  const bytes: number[] = [];
  const cost: number[] = [];
  const index: number[] = [];
  for (const [item, choices] of classes.entries()) {
    for (const at of paretoOptimal(choices)) {
      bytes.push(choices[at]!.bytes);
      cost.push(choices[at]!.cost);
      index.push(at);
    }
    start[item + 1] = bytes.length;
  }
  const options = { start, bytes: Float64Array.from(bytes), cost: Float64Array.from(cost) };
  return { count: classes.length, ...options, index: Int32Array.from(index), upgrades: upgradesOf(options) };
}

/** Places of the choices that no other beats in both bytes and cost, by bytes ascending. */
function paretoOptimal(choices: readonly Choice[]): number[] {
  const sorted = choices
    .map((_, at) => at)
    .sort((a, b) => choices[a]!.bytes - choices[b]!.bytes || choices[a]!.cost - choices[b]!.cost);
  const kept: number[] = [];
  for (const at of sorted) {
    const last = kept.at(-1);
    if (last === undefined || choices[at]!.cost < choices[last]!.cost) kept.push(at);
  }
  return kept;
}

type Options = Pick<KnapsackClasses, 'start' | 'bytes' | 'cost'>;

function upgradesOf(options: Options): Upgrades {
  const { start, bytes, cost } = options;
  const found = { item: [] as number[], option: [] as number[], bytes: [] as number[], gain: [] as number[] };
  for (let item = 0; item + 1 < start.length; item++) {
    const hull = lowerHull(options, start[item]!, start[item + 1]!);
    for (let i = 1; i < hull.length; i++) {
      const [from, to] = [hull[i - 1]!, hull[i]!];
      const more = bytes[to]! - bytes[from]!;
      found.item.push(item);
      found.option.push(to);
      found.bytes.push(more);
      found.gain.push((cost[from]! - cost[to]!) / more);
    }
  }
  const gain = Float64Array.from(found.gain);
  const order = Int32Array.from(gain.keys()).sort((a, b) => gain[b]! - gain[a]!);
  return {
    count: order.length,
    item: order.map((at) => found.item[at]!),
    option: order.map((at) => found.option[at]!),
    bytes: Float64Array.from(order, (at) => found.bytes[at]!),
    gain: Float64Array.from(order, (at) => gain[at]!),
  };
}

/** Options from `first` to before `end` on their lower convex hull: cost saved per byte falls from each to the next. */
function lowerHull({ bytes, cost }: Options, first: number, end: number): number[] {
  const slope = (a: number, b: number): number => (cost[a]! - cost[b]!) / (bytes[b]! - bytes[a]!);
  const hull: number[] = [];
  for (let option = first; option < end; option++) {
    while (hull.length >= 2 && slope(hull.at(-2)!, hull.at(-1)!) <= slope(hull.at(-1)!, option)) hull.pop();
    hull.push(option);
  }
  return hull;
}
