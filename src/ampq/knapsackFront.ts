import type { KnapsackClasses } from './knapsackClasses';

/**
 * The corners of the lower convex hull of (bytes, cost) over all solutions of a knapsack: from all smallest choices to all of least cost. Each is
 * the exact optimum at its size, and no solution lies below the lines between them.
 */
export interface KnapsackFront {
  /** Ascending. */
  readonly bytes: Float64Array;
  /** Descending. */
  readonly cost: Float64Array;
  /** Cost that each further byte saves from each corner to the next, descending; 0 at the last. */
  readonly price: Float64Array;
}

/** One pass over the upgrades, which are in the order in which a growing budget pays for them. */
export function knapsackFront({ start, bytes, cost, count, upgrades }: KnapsackClasses): KnapsackFront {
  const corners = upgrades.count + 1;
  const front: KnapsackFront = {
    bytes: new Float64Array(corners),
    cost: new Float64Array(corners),
    price: new Float64Array(corners),
  };
  let [size, least] = [0, 0];
  for (let item = 0; item < count; item++) {
    size += bytes[start[item]!]!;
    least += cost[start[item + 1]! - 1]!;
  }
  front.bytes[0] = size;
  for (let at = 0; at < upgrades.count; at++) {
    size += upgrades.bytes[at]!;
    front.bytes[at + 1] = size;
    front.price[at] = upgrades.gain[at]!;
  }
  // Summed from the small end: costs span many orders of magnitude.
  front.cost[upgrades.count] = least;
  for (let at = upgrades.count - 1; at >= 0; at--) {
    least += upgrades.bytes[at]! * upgrades.gain[at]!;
    front.cost[at] = least;
  }
  return front;
}

/** What a further byte saves at a size: the price of bytes from the largest corner within it. @param bytes of the solution. */
export function priceAt({ bytes, price }: KnapsackFront, size: number): number {
  let [low, high] = [0, bytes.length];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (bytes[middle]! <= size) low = middle;
    else high = middle;
  }
  return price[low]!;
}
