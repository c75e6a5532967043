import type { Divergence, PairedComparison } from '../protocol/evaluation';
import { logPerplexityRatio, mean, pairedDifference, quantiles, rootMeanSquare, share } from './statistics';

/** Float64 sums per token that the addon's `accumulateLogits` keeps. */
export const sumsPerToken = 9;

/** Places of the sums of a token; a base has the first four from `base` on. */
const places = { maximum: 0, sum: 1, target: 2, top: 3, base: 4, difference: 8 } as const;

/** How each scored token compares with a base model; arrays have one value per token. */
export interface TokenDivergences {
  /** −ln p(base) of the text's token, nats. */
  readonly baseLosses: Float64Array;
  /** KL divergence Σ p(base) ln(p(base) / p) over the vocabulary, nats. */
  readonly divergences: Float64Array;
  /** 1 where the most probable token is that of the base, else 0. */
  readonly sameTop: Float64Array;
  /** p − p(base) of the text's token. */
  readonly deltaP: Float64Array;
}

/**
 * −ln p of each token in nats: m + ln Σ e^(l − m) − l.
 * @param sums [tokens, 9] over the whole vocabulary. NaN for a token whose sums are NaN or that no slice held.
 */
export function tokenLosses(sums: Float64Array): Float64Array {
  return perToken(sums, (start) => lossAt(sums, start));
}

/** ln Σ e^logit of each token, of the run and of its base. @param sums [tokens, 9] over the whole vocabulary, with those of a base. */
export function tokenNormalizers(sums: Float64Array): {
  readonly own: Float32Array;
  readonly base: Float32Array;
} {
  const at = (offset: number): Float32Array =>
    Float32Array.from(perToken(sums, (start) => normalizerAt(sums, start + offset)));
  return { own: at(0), base: at(places.base) };
}

/** @param sums [tokens, 9] over the whole vocabulary, with those of a base. A token whose sums are NaN is NaN in every array. */
export function tokenDivergences(sums: Float64Array): TokenDivergences {
  return {
    baseLosses: perToken(sums, (start) => lossAt(sums, start + places.base)),
    divergences: perToken(sums, (start) => divergenceAt(sums, start)),
    sameTop: perToken(sums, (start) => sameTopAt(sums, start)),
    deltaP: perToken(
      sums,
      (start) => Math.exp(-lossAt(sums, start)) - Math.exp(-lossAt(sums, start + places.base)),
    ),
  };
}

/**
 * The figures of a run against its base.
 * @param losses those of the run, as `tokenLosses` gives them.
 */
export function summarizeDivergence(
  base: Pick<Divergence, 'base' | 'baseHash'>,
  losses: Float64Array,
  { baseLosses, divergences, sameTop, deltaP }: TokenDivergences,
): Divergence {
  const [median, percentile99, percentile999, max] = quantiles(divergences, [0.5, 0.99, 0.999, 1]);
  return {
    ...base,
    mean: mean(divergences),
    median: median!,
    percentile99: percentile99!,
    percentile999: percentile999!,
    max: max!,
    sameTopToken: share(sameTop),
    deltaP: mean(deltaP),
    deltaPRms: rootMeanSquare(deltaP),
    logPerplexityRatio: logPerplexityRatio(losses, baseLosses),
  };
}

/** A run as it is paired with another: per scored token. */
export interface PairedRun {
  readonly name: string;
  readonly losses: Float64Array;
  /** Where it was measured from a base. */
  readonly divergences?: Float64Array | undefined;
}

/**
 * Two runs on the same tokens, token by token. Divergences are compared where both have them; that they are from the same base
 * is for the caller to know.
 * @throws QuantscopeError REQUEST when they have not the same number of tokens.
 */
export function compareRuns(a: PairedRun, b: PairedRun): PairedComparison {
  const both = a.divergences && b.divergences;
  return {
    a: a.name,
    b: b.name,
    scoredTokens: a.losses.length,
    loss: pairedDifference(a.losses, b.losses),
    ...(both && { divergence: pairedDifference(a.divergences, b.divergences) }),
  };
}

function perToken(sums: Float64Array, value: (start: number) => number): Float64Array {
  return Float64Array.from({ length: sums.length / sumsPerToken }, (_, token) => value(token * sumsPerToken));
}

function normalizerAt(sums: Float64Array, start: number): number {
  return sums[start + places.maximum]! + Math.log(sums[start + places.sum]!);
}

function lossAt(sums: Float64Array, start: number): number {
  return sums[start + places.maximum]! - sums[start + places.target]! + Math.log(sums[start + places.sum]!);
}

/**
 * Below 0 a divergence is a rounding: each term e^x of the sums is exact to 1e-11 of itself, so that the two averages differ from
 * the true ones by less than 1e-10 nats, and 0 is nearer to the truth. What is further below cannot come from rounding; it is kept,
 * so that it is seen.
 */
const roundingOfDivergence = 1e-9;

/** S / Σ_b − (ln Z_b − ln Z): the mean of b − l under the base, less the difference of the normalizers. */
function divergenceAt(sums: Float64Array, start: number): number {
  const base = start + places.base;
  const baseSum = sums[base + places.sum]!;
  const normalizers =
    sums[base + places.maximum]! -
    sums[start + places.maximum]! +
    Math.log(baseSum / sums[start + places.sum]!);
  const divergence = sums[start + places.difference]! / baseSum - normalizers;
  return divergence < 0 && divergence > -roundingOfDivergence ? 0 : divergence;
}

function sameTopAt(sums: Float64Array, start: number): number {
  const [top, baseTop] = [sums[start + places.top]!, sums[start + places.base + places.top]!];
  if (Number.isNaN(top) || Number.isNaN(baseTop)) return NaN;
  return top === baseTop ? 1 : 0;
}
