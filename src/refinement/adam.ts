import { loadNative, type AdamDecay, type AdamState, type Units } from '../native';

export interface AdamStep {
  /** Counted from 1. */
  readonly step: number;
  /** How far a number moves whose gradient stays the same, in its unit. */
  readonly rate: number;
}

const decay: AdamDecay = { first: 0.9, second: 0.99 };

/**
 * Moves numbers against their gradient (Kingma and Ba 2015, arXiv:1412.6980, algorithm 1), in place. Adam does not depend on the scale of
 * the gradient, so that a sum over tokens does as well as a mean.
 */
export async function adam(
  state: AdamState,
  gradient: Float32Array,
  { step, rate }: AdamStep,
  units: Units,
): Promise<void> {
  const size = rate / (1 - decay.first ** step);
  const correction = 1 / (1 - decay.second ** step);
  await loadNative().adamStep(state, gradient, { decay, size, correction }, units);
}
