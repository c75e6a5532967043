import { prepareClasses, type Choice, type KnapsackClasses, type Upgrades } from './knapsackClasses';

/**
 * The same as `prepareClasses` of all classes, where most are those of a knapsack that is prepared already: what does not differ is copied.
 * @param parts the number of a class of `base`, each greater than those before, or the choices of a class of its own.
 */
export function classesFrom(
  base: KnapsackClasses,
  parts: readonly (number | readonly Choice[])[],
): KnapsackClasses {
  const fresh = prepareClasses(parts.filter((part) => typeof part !== 'number'));
  const count = parts.length;
  const start = new Int32Array(count + 1);
  const ofBase = new Int32Array(base.count).fill(-1);
  const ofFresh = new Int32Array(fresh.count);
  let own = 0;
  for (const [item, part] of parts.entries()) {
    const [source, at] = typeof part === 'number' ? [base, part] : [fresh, own];
    if (typeof part === 'number') ofBase[part] = item;
    else ofFresh[own++] = item;
    start[item + 1] = start[item]! + source.start[at + 1]! - source.start[at]!;
  }
  const options = {
    ...{ start, bytes: new Float64Array(start[count]!), cost: new Float64Array(start[count]!) },
    index: new Int32Array(start[count]!),
  };
  copyOptions(base, ofBase, options);
  copyOptions(fresh, ofFresh, options);
  const upgrades = merged(
    movedUpgrades(base, ofBase, start),
    movedUpgrades(fresh, ofFresh, start),
    base.upgrades.count + fresh.upgrades.count,
  );
  return { count, ...options, upgrades };
}

type CopiedOptions = Pick<KnapsackClasses, 'start' | 'bytes' | 'cost' | 'index'>;

/** @param items for each class of a knapsack its number in the other; −1 where it is not in it. */
function copyOptions(from: KnapsackClasses, items: Int32Array, to: CopiedOptions): void {
  for (let item = 0; item < items.length; item++) {
    const target = items[item]!;
    if (target < 0) continue;
    let place = to.start[target]!;
    for (let option = from.start[item]!; option < from.start[item + 1]!; option++, place++) {
      to.bytes[place] = from.bytes[option]!;
      to.cost[place] = from.cost[option]!;
      to.index[place] = from.index[option]!;
    }
  }
}

/** Those of the classes that have a number in another knapsack, with the numbers that they have there. */
function movedUpgrades({ start, upgrades }: KnapsackClasses, items: Int32Array, to: Int32Array): Upgrades {
  const { item, option, bytes, gain, count } = upgrades;
  const moved = upgradesFor(count);
  let kept = 0;
  for (let at = 0; at < count; at++) {
    const target = items[item[at]!]!;
    if (target < 0) continue;
    moved.item[kept] = target;
    moved.option[kept] = option[at]! - start[item[at]!]! + to[target]!;
    moved.bytes[kept] = bytes[at]!;
    moved.gain[kept++] = gain[at]!;
  }
  return { ...moved, count: kept };
}

/** Two lists of upgrades in their order, those of the first class first where they save the same. @param most in both, at least. */
function merged(a: Upgrades, b: Upgrades, most: number): Upgrades {
  const all = upgradesFor(most);
  const isFirst = (i: number, j: number): boolean =>
    a.gain[i]! > b.gain[j]! || (a.gain[i] === b.gain[j] && a.item[i]! < b.item[j]!);
  let [i, j, at] = [0, 0, 0];
  for (; i < a.count || j < b.count; at++) {
    const fromA = j === b.count || (i < a.count && isFirst(i, j));
    const [source, from] = fromA ? [a, i++] : [b, j++];
    all.item[at] = source.item[from]!;
    all.option[at] = source.option[from]!;
    all.bytes[at] = source.bytes[from]!;
    all.gain[at] = source.gain[from]!;
  }
  return {
    count: at,
    item: all.item.subarray(0, at),
    option: all.option.subarray(0, at),
    bytes: all.bytes.subarray(0, at),
    gain: all.gain.subarray(0, at),
  };
}

const upgradesFor = (count: number) => ({
  item: new Int32Array(count),
  option: new Int32Array(count),
  bytes: new Float64Array(count),
  gain: new Float64Array(count),
});
