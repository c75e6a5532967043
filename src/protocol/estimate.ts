/** A mean with its standard error. */
export interface Estimate {
  readonly value: number;
  readonly standardError: number;
}

/** A mean and its 95 % confidence interval. */
export interface Interval {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/** Of the normal distribution: 97.5 % are below. */
const z = 1.959964;

/**
 * The value that 97.5 % of Student's distribution are below, by its expansion in 1 / degrees (Abramowitz and Stegun, 26.7.5): to 1 % from 5
 * degrees on.
 */
export const studentQuantile = (degrees: number): number =>
  z +
  (z ** 3 + z) / (4 * degrees) +
  (5 * z ** 5 + 16 * z ** 3 + 3 * z) / (96 * degrees ** 2) +
  (3 * z ** 7 + 19 * z ** 5 + 17 * z ** 3 - 15 * z) / (384 * degrees ** 3);
