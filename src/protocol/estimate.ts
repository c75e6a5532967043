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
