import type { FormatDescription } from '../protocol/formats';

/**
 * A format: one of the catalogue, or a grid by its name. Shapes are `[out, in]`, leading dimensions flattened into rows; every format can
 * encode whole rows on their own once the tensor's range is known, so tensors of any size are processed in slabs of rows.
 */
export interface QuantFormat extends FormatDescription {
  /** Set where scales come from the range of the whole tensor. */
  readonly needsRange: boolean;
  /** Why a tensor of this shape cannot be encoded (row length, dimensions); undefined when it can. */
  refuse(shape: readonly number[], hasImportance?: boolean): string | undefined;
  /** Exact bytes of everything written for a tensor of this shape: codes, scales, zero points. */
  bytes(shape: readonly number[]): number;
  /** 8 · bytes / weights. */
  bitsPerWeight(shape: readonly number[]): number;
}
