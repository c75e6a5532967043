import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Grid } from '../protocol/grids';

/**
 * Whole rows of a matrix in a grid: what methods give and layouts store. Groups are numbered row by row, as `groupsOf` counts them; a
 * rectangle's row of groups belongs to the slab that holds its first row.
 */
export interface QuantizedRows {
  readonly grid: Grid;
  readonly rows: number;
  readonly columns: number;
  /** One byte per weight, row-major: two's complement for signed integers, the bit pattern of floats, the index into tables. */
  readonly codes: Uint8Array;
  /** One per group, as a reader of the stored scale sees it: rounded to the grid's dtype, and after double quantization. */
  readonly scales: Float32Array;
  /** One per group, where the grid has zero points; integers unless it says `float`. */
  readonly zeros?: Float32Array;
  /** Group of each column, where columns were quantized in another order (GPTQ's g_idx). */
  readonly groupOfColumn?: Int32Array;
  /** Decoded weights are divided by these, one for each column: a matrix that was scaled alone (AWQ of a single layer). */
  readonly columnScales?: Float32Array;
  /** Scales are divided by it, or multiplied, where the grid has a global scale. */
  readonly globalScale?: number;
  /** Present with double quantization. */
  readonly nested?: NestedScales;
  /** What to add to the output of each row, so that its mean stays as it was: −Σ (ŵ − w) · E[x]. Methods that correct bias give it. */
  readonly biasCorrection?: Float32Array;
  /** Columns that are kept as weights, and those weights `[rows, columns.length]`; their codes are 0. */
  readonly outliers?: { readonly columns: Int32Array; readonly values: Float32Array };
}

/** Whole rows as blocks of a ggml type. */
export interface BlockRows {
  readonly type: GgmlQuantType;
  readonly columns: number;
  readonly codes: Uint8Array;
}

/** What a format makes of whole rows. */
export type EncodedRows = QuantizedRows | BlockRows;

/**
 * Scales that are quantized themselves: map[code] · absmax[⌊i / block⌋] + offset. Blocks do not cross slabs: every slab but the last has a
 * multiple of `block` groups. The offset is that of the whole weight.
 */
export interface NestedScales {
  readonly codes: Uint8Array;
  readonly absmax: Float32Array;
  readonly offset: number;
}
