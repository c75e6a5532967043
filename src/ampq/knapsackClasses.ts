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
  const options = { start, bytes: new Float64Array(bytes), cost: new Float64Array(cost) };
  return { count: classes.length, ...options, index: new Int32Array(index), upgrades: upgradesOf(options) };
}

/** Places of the choices that no other beats in both bytes and cost, by bytes ascending. */
function paretoOptimal(choices: readonly Choice[]): number[] {
  const kept: number[] = [];
  for (const at of byBytes(choices)) {
    const last = kept.at(-1);
    if (last === undefined || choices[at]!.cost < choices[last]!.cost) kept.push(at);
  }
  return kept;
}

/** Places of choices by bytes and then by cost, ascending. By insertion: there are few, mostly in order already, of each of very many classes. */
function byBytes(choices: readonly Choice[]): number[] {
  const sorted: number[] = [];
  for (const [at, { bytes, cost }] of choices.entries()) {
    let place = at;
    for (; place > 0; place--) {
      const before = choices[sorted[place - 1]!]!;
      if (before.bytes < bytes || (before.bytes === bytes && before.cost <= cost)) break;
      sorted[place] = sorted[place - 1]!;
    }
    sorted[place] = at;
  }
  return sorted;
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
  const { gain } = found;
  const order = new Uint32Array(gain.keys()).sort((a, b) => gain[b]! - gain[a]!);
  const sorted = <T extends Int32Array | Float64Array>(values: readonly number[], into: T): T => {
    for (let place = 0; place < into.length; place++) into[place] = values[order[place]!]!;
    return into;
  };
  const count = order.length;
  return {
    count,
    item: sorted(found.item, new Int32Array(count)),
    option: sorted(found.option, new Int32Array(count)),
    bytes: sorted(found.bytes, new Float64Array(count)),
    gain: sorted(gain, new Float64Array(count)),
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
