import { QuantscopeError } from '../model/errors';
import type { Estimate } from '../protocol/estimate';
import { said } from '../protocol/said';

/*
 * Statistics over scored tokens, in float64, by the formulas of llama.cpp's perplexity tool (tools/perplexity/perplexity.cpp), so
 * that figures are comparable. A value that is NaN makes every statistic of its array NaN; so is the standard error of
 * a single value, where llama.cpp's is 0.
 */

/** Mean, and its standard error √(Σ(x − mean)² / n / (n − 1)). */
export function mean(values: Float64Array): Estimate {
  const value = average(values);
  const squares = values.reduce((sum, x) => sum + (x - value) ** 2, 0);
  return { value, standardError: Math.sqrt(squares / values.length / (values.length - 1)) };
}

/** e to the mean loss (nats per token). The standard error is that of the mean times the perplexity, by the delta method. */
export function perplexity(losses: Float64Array): Estimate {
  const { value, standardError } = mean(losses);
  return { value: Math.exp(value), standardError: Math.exp(value) * standardError };
}

/**
 * Quantiles by linear interpolation between the two values next to position fraction · (n − 1) of the sorted ones, 0 the
 * smallest: 0.5 is the usual median, 1 the largest value.
 * @returns one value per fraction in [0, 1].
 */
export function quantiles(values: Float64Array, fractions: readonly number[]): number[] {
  const sorted = values.slice().sort(); // NaN comes last
  if (sorted.length === 0 || Number.isNaN(sorted[sorted.length - 1])) return fractions.map(() => NaN);
  return fractions.map((fraction) => {
    const position = fraction * (sorted.length - 1);
    const below = Math.floor(position);
    const [low, high] = [sorted[below]!, sorted[Math.ceil(position)]!];
    return low === high ? low : low + (position - below) * (high - low);
  });
}

/** The middle one of the values, or the mean of the two in the middle; NaN when there are none. */
export function median(values: readonly number[]): number {
  return quantiles(Float64Array.from(values), [0.5])[0]!;
}

/** Share of ones among zeros and ones, and its binomial standard error √(p (1 − p) / (n − 1)). */
export function share(flags: Float64Array): Estimate {
  const value = average(flags);
  return { value, standardError: Math.sqrt((value * (1 - value)) / (flags.length - 1)) };
}

export function rootMeanSquare(values: Float64Array): number {
  return Math.sqrt(values.reduce((sum, x) => sum + x * x, 0) / values.length);
}

/**
 * Mean of a − b over pairs, and the standard error of the differences.
 * @throws QuantscopeError REQUEST when the lengths differ.
 */
export function pairedDifference(a: Float64Array, b: Float64Array): Estimate {
  if (a.length !== b.length) {
    const message = said`${a.length} and ${b.length} values cannot be paired.`;
    throw new QuantscopeError('REQUEST', message);
  }
  return mean(a.map((value, i) => value - b[i]!));
}

/**
 * ln(perplexity / perplexity of the base) over the same tokens. llama.cpp's standard error √(s² + s_b² − 2 cov), with cov the
 * covariance of the pairs over n − 1, is that of the mean of the differences; it is computed from them, which avoids cancellation.
 * @throws QuantscopeError REQUEST when the lengths differ.
 */
export function logPerplexityRatio(losses: Float64Array, baseLosses: Float64Array): Estimate {
  return pairedDifference(losses, baseLosses);
}

function average(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}
