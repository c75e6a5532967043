import type { Grid } from '../../protocol/grids';

/**
 * Grids of the libraries that people load checkpoints with: the same scales, zero points and codes, bit for bit, where the library's
 * rounding is deterministic. Each cites the function that it follows. `dtype` is that of the model's weights, in which some compute.
 */
export type WeightDtype = 'F32' | 'F16' | 'BF16';

/** bitsandbytes 4 bit (`quantize_4bit`): blocks of the flattened tensor, x · (1 / absmax), the nearest entry of the table. */
export function bitsandbytes4bit(
  table: 'nf4' | 'fp4',
  block: number,
  options: { readonly nested?: boolean } = {},
): Grid {
  return {
    levels: { kind: 'table', table },
    group: { flat: block },
    rule: { kind: 'absmax', divisor: 1 },
    scale: 'F32',
    rounding: { by: 'reciprocal' },
    ...(options.nested ? { double: { block: 256 } } : {}),
  };
}
