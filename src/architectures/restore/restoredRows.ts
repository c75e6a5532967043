import type { ConvertedTensor } from '../convertedTensor';

/** Rows of the file. */
export interface RestoredRows extends ConvertedTensor {
  /** The rows of a unit come from so many tensors, one after the other, and take turns before its order is undone. */
  readonly strands?: number;
}
