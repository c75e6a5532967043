import { softmax, type Vector } from './math';

/** Heads of one position, each a vector. */
export type Heads = readonly Vector[];

export interface AttentionOptions {
  /** Factor of the scores; 1/√d when absent. */
  readonly scale?: number;
  /** Positions that a query sees, itself included. */
  readonly window?: number;
  /** Positions before and after a query that it sees; only those before it, as many as the window has, when absent. */
  readonly reach?: number;
  /** The last position that the query at a position sees, where it is not its own. */
  readonly seenUntil?: (position: number) => number;
  /** c · tanh(score / c). */
  readonly softcap?: number;
  /** Factor of the scores of the query at a position. */
  readonly factorAt?: (position: number) => number;
  /** One more score of each head, whose share is lost. */
  readonly sinks?: Vector | undefined;
}

export function headsOf(flat: Vector, size: number): Heads {
  return Array.from({ length: flat.length / size }, (_, i) => flat.slice(i * size, (i + 1) * size));
}

/** Attention; query heads share key heads in order. @returns all heads of each position, joined. */
export function attend(
  queries: readonly Heads[],
  keys: readonly Heads[],
  values: readonly Heads[],
  { scale, window = Infinity, reach, seenUntil, softcap, sinks, factorAt }: AttentionOptions = {},
): Vector[] {
  return queries.map((heads, position) => {
    const first = Math.max(0, position - (reach ?? window - 1));
    const last = Math.min(queries.length - 1, seenUntil?.(position) ?? position + (reach ?? 0));
    const outputs = heads.map((query, head) => {
      const shared = Math.floor((head * keys[0]!.length) / heads.length);
      const factor = (scale ?? 1 / Math.sqrt(query.length)) * (factorAt?.(position) ?? 1);
      const scores = Float64Array.from({ length: last - first + 1 }, (_, i) => {
        const key = keys[first + i]![shared]!;
        const score = factor * query.reduce((sum, value, j) => sum + value * key[j]!, 0);
        return softcap === undefined ? score : softcap * Math.tanh(score / softcap);
      });
      const weights = sinks
        ? softmax(Float64Array.from([...scores, sinks[head]!])).slice(0, -1)
        : softmax(scores);
      const size = values[0]![shared]!.length;
      return Float64Array.from({ length: size }, (_, j) =>
        weights.reduce((sum, weight, i) => sum + weight * values[first + i]![shared]![j]!, 0),
      );
    });
    return Float64Array.from(outputs.flatMap((output) => [...output]));
  });
}
