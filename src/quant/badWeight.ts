import type { BadWeight } from '../native';

/** A weight that cannot be quantized, by its index from the start of the values that were given. */
export class BadWeightError extends RangeError {
  constructor(readonly bad: BadWeight) {
    super(`weight ${bad.index} is ${bad.kind}`);
  }
}
