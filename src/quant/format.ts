import type { EncodedRows, TensorRange } from '../native';
import type { FormatDescription } from '../protocol/formats';

/**
 * A format of the catalogue. Shapes are `[out, in]`, leading dimensions flattened into rows; every format can encode
 * whole rows on their own once the tensor's range is known, so tensors of any size are processed in slabs of rows.
 */
export interface QuantFormat extends FormatDescription {
  /** Why a tensor of this shape cannot be encoded (row length, dimensions); undefined when it can. */
  refuse(shape: readonly number[], hasImportance?: boolean): string | undefined;
  /** Exact bytes of everything written for a tensor of this shape: codes, scales, zero points. */
  bytes(shape: readonly number[]): number;
  /** 8 · bytes / weights. */
  bitsPerWeight(shape: readonly number[]): number;
  /** Encodes whole rows. `range` is that of the whole tensor. @throws RangeError naming the first weight that is not finite. */
  encode(
    values: Float32Array,
    columns: number,
    range: TensorRange,
    signal?: AbortSignal,
  ): Promise<EncodedRows>;
  /** Inverse of `encode`: some encoded rows → their float32 values. */
  decode(encoded: EncodedRows, columns: number, signal?: AbortSignal): Promise<Float32Array>;
}
