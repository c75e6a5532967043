import type { BlockShape } from './blockShape';

/** Which tokens an expert gets, and with which weight. */
export interface Assignment {
  /** Row of each token that the expert gets. */
  readonly rows: number[];
  /** Factor of the expert's output, one per row. */
  readonly shares: number[];
}

/** Experts of a group whose scores add up to that of the group: as many as in DeepSeek V3, and in llama.cpp for all architectures. */
export const scoredOfGroup = 2;

/** How experts are chosen. */
export type Routing = NonNullable<BlockShape['experts']> & {
  /** Added to the scores of experts, one each, where they are compared; shares are without it. */
  readonly bias?: Float32Array | undefined;
};

/**
 * Chooses the experts of each token: of softmax over all, or of each one's sigmoid, the largest `used` (the first of equals), their shares
 * made to add up to 1 where the architecture wants it.
 * @param logits `[rows, experts]` of the router.
 */
export function routeTokens(logits: Float32Array, routing: Routing): Assignment[] {
  const { count, scale } = routing;
  const assignments = Array.from({ length: count }, (): Assignment => ({ rows: [], shares: [] }));
  for (let row = 0; row < logits.length / count; row++) {
    const { scores, best, sum } = choose(logits.subarray(row * count, (row + 1) * count), routing);
    for (const expert of best) {
      assignments[expert]!.rows.push(row);
      assignments[expert]!.shares.push((scale * scores[expert]!) / sum);
    }
  }
  return assignments;
}

/** The scores of a token's experts, the chosen ones, and what their scores are divided by. */
function choose(logits: Float32Array, { used, normalized, gating, bias, groups }: Routing) {
  const scores = gating === 'sigmoid' ? sigmoids(logits) : softmax(logits);
  const compared = bias ? scores.map((score, expert) => score + bias[expert]!) : scores;
  const best = largest(groups ? insideBestGroups(compared, groups) : compared, used);
  const sum = normalized ? best.reduce((total, expert) => total + scores[expert]!, 0) : 1;
  return { scores, best, sum };
}

/**
 * The gradient at the router's logits that follows from the gradient at the shares of the chosen experts; that the choice changes is left out.
 * @param logits `[rows, experts]` of the router.
 * @param gradients `[rows, experts]`: only those at chosen experts are read.
 */
export function routeGradients(
  logits: Float32Array,
  routing: Routing,
  gradients: Float32Array,
): Float32Array {
  const { count, scale, normalized, gating } = routing;
  const found = new Float32Array(logits.length);
  for (let start = 0; start < logits.length; start += count) {
    const { scores, best, sum } = choose(logits.subarray(start, start + count), routing);
    const share = (expert: number): number => scores[expert]! / sum;
    const mean = best.reduce((total, expert) => total + share(expert) * gradients[start + expert]!, 0);
    for (let expert = 0; expert < count; expert++) {
      const isChosen = best.includes(expert);
      if (!isChosen && (normalized || gating === 'sigmoid')) continue; // it is not in the sum
      const own = isChosen ? gradients[start + expert]! : 0;
      // The sigmoid of one expert does not depend on the logits of others, its share does where shares are normalized.
      const slope =
        gating === 'sigmoid' ? (1 - scores[expert]!) * (own - (normalized ? mean : 0)) : own - mean;
      found[start + expert] = scale * share(expert) * slope;
    }
  }
  return found;
}

const sigmoids = (logits: Float32Array): Float64Array =>
  Float64Array.from(logits, (value) => 1 / (1 + Math.exp(-value)));

function softmax(logits: Float32Array): Float64Array {
  const most = logits.reduce((a, b) => Math.max(a, b), -Infinity);
  const powers = Float64Array.from(logits, (value) => Math.exp(value - most));
  const sum = powers.reduce((total, value) => total + value, 0);
  return powers.map((value) => value / sum);
}

/** The scores of experts in the chosen groups; −∞ elsewhere. */
function insideBestGroups(
  scores: Float64Array,
  { count, used }: NonNullable<Routing['groups']>,
): Float64Array {
  const size = scores.length / count;
  const ofGroups = Float64Array.from({ length: count }, (_, group) => {
    const inside = scores.subarray(group * size, (group + 1) * size);
    return largest(inside, scoredOfGroup).reduce((sum, expert) => sum + inside[expert]!, 0);
  });
  const kept = new Set(largest(ofGroups, used));
  return scores.map((score, expert) => (kept.has(Math.floor(expert / size)) ? score : -Infinity));
}

function largest(values: Float64Array, count: number): number[] {
  const order = [...values.keys()].sort((a, b) => values[b]! - values[a]! || a - b);
  return order.slice(0, count);
}

/** The rows of a matrix `[n, columns]` that are named, in that order. */
export function gatherRows(from: Float32Array, columns: number, rows: readonly number[]): Float32Array {
  const picked = new Float32Array(rows.length * columns);
  rows.forEach((row, i) => picked.set(from.subarray(row * columns, (row + 1) * columns), i * columns));
  return picked;
}

/** Adds rows times their shares to the rows of `to` that are named. */
export function scatterRows(
  to: Float32Array,
  columns: number,
  from: Float32Array,
  { rows, shares }: Assignment,
): void {
  rows.forEach((row, i) => {
    const share = shares[i]!;
    for (let j = 0; j < columns; j++) to[row * columns + j]! += share * from[i * columns + j]!;
  });
}

/** Rows times their factors. */
export function scaledRows(values: Float32Array, factors: readonly number[]): Float32Array {
  const columns = values.length / factors.length;
  return values.map((value, i) => value * factors[Math.floor(i / columns)]!);
}

/** What an expert gets of the rows that were picked for it, and how its output is added: shares are factors of one or the other. */
export function sharesOf(
  { scaledInputs }: Pick<Routing, 'scaledInputs'>,
  picked: Float32Array,
  assignment: Assignment,
): { readonly inputs: Float32Array; readonly added: Assignment } {
  const { rows, shares } = assignment;
  if (!scaledInputs) return { inputs: picked, added: assignment };
  return { inputs: scaledRows(picked, shares), added: { rows, shares: rows.map(() => 1) } };
}
