/** Numbers that are trained, and Adam's averages of their gradients. */
export interface AdamState {
  readonly values: Float32Array;
  /** Of the gradient, and of its square. */
  readonly first: Float32Array;
  readonly second: Float32Array;
}

export interface AdamStep {
  /** Counted from 1. */
  readonly step: number;
  /** How far a number moves whose gradient stays the same, in its unit. */
  readonly rate: number;
}

/** Units of numbers: that of number i is `values[⌊i / per⌋]`. */
export interface Units {
  readonly values: Float32Array;
  readonly per: number;
}

const decay = { first: 0.9, second: 0.99 };

/** Below this a gradient is that of a number that changes nothing: it stays. */
const negligible = 1e-12;

/**
 * Moves numbers against their gradient (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), in place. Adam does not depend on the scale of
 * the gradient, so that a sum over tokens does as well as a mean.
 */
export function adam(
  { values, first, second }: AdamState,
  gradient: Float32Array,
  { step, rate }: AdamStep,
  units: Units,
): void {
  const [a, b] = [decay.first, decay.second];
  const size = rate / (1 - a ** step);
  const correction = 1 / (1 - b ** step);
  for (let i = 0; i < values.length; i++) {
    const g = gradient[i]!;
    const mean = a * first[i]! + (1 - a) * g;
    const square = b * second[i]! + (1 - b) * g * g;
    first[i] = mean;
    second[i] = square;
    const unit = units.values[Math.floor(i / units.per)]!;
    values[i]! -= (size * unit * mean) / (Math.sqrt(square * correction) + negligible);
  }
}
