/**
 * Grids: which values a weight can take, as data. A weight is decoded from its code and the parameters of its group:
 * integers `(code − zero) · scale`, tables and floats `value(code) · scale`. How codes are found is a method's business
 * (`quant/methods`), how they are stored is a layout's (`layouts`).
 */

/** Dtypes that scales are rounded to. */
export type ScaleDtype = 'F32' | 'F16' | 'BF16' | 'F8_E8M0' | 'F8_E4M3';

/** Values before they are scaled. */
export type Levels =
  /** Signed: −2^(bits−1) to 2^(bits−1) − 1; `narrow` leaves out the lowest. Unsigned: 0 to 2^bits − 1. Bits 2 to 8. */
  | { readonly kind: 'integer'; readonly bits: number; readonly signed: boolean; readonly narrow?: true }
  /**
   * A sign bit, `exponent` and `mantissa` bits: 3 to 8 in all. `bias` is 2^(exponent−1) − 1 where it is absent. The largest codes:
   * `ieee` has infinities and NaN (E5M2), `nan` one NaN per sign (E4M3FN), `finite` none (E2M1, E3M2, E2M3).
   */
  | {
      readonly kind: 'float';
      readonly exponent: number;
      readonly mantissa: number;
      readonly bias?: number;
      readonly special: 'ieee' | 'nan' | 'finite';
    }
  /** The 16 values of bitsandbytes' tables (QLoRA). */
  | { readonly kind: 'table'; readonly table: 'nf4' | 'fp4' };

/**
 * Weights that share a scale: the tensor, a row, that many consecutive weights of a row (the last group may be shorter), a rectangle, or
 * that many consecutive weights of the flattened tensor, across the ends of rows.
 */
export type GroupShape =
  'tensor' | 'row' | number | { readonly rows: number; readonly columns: number } | { readonly flat: number };

/** How a scale follows from the weights of its group, before a method looks for a better one. */
export type ScaleRule =
  /**
   * absmax / divisor: 7, 7.5 or 8 for four bits, the largest value for floats, 1 for tables. `oneSided`: groups without a negative weight
   * take half of it (GPTQ's symmetric rule).
   */
  | { readonly kind: 'absmax'; readonly divisor: number; readonly oneSided?: true }
  /** The weight of the largest magnitude (of two, the negative one) / divisor: the scale has a sign (ONNX Runtime: divisor −8). */
  | { readonly kind: 'extreme'; readonly divisor: number }
  /** (max − min) / (2^bits − 1), and a zero point; `widened` includes 0 in the range. */
  | { readonly kind: 'range'; readonly widened: boolean }
  /**
   * A power of two for absmax = m · 2^e, 1 ≤ m < 2: 2^(e − largest), and twice that where m ≥ `up` (m > 1 where `up` is 1). `up` is 2 where
   * the exponent is cut off, 1.75 where E2M1 is rounded to half of its last bit (OCP MX modes floor, even, ceil).
   */
  | { readonly kind: 'exponent'; readonly largest: number; readonly up: number };

/** What keeps the scale of a group of zeros, or of nearly equal weights, from being zero. Such groups get the scale 0 where it is absent. */
export type LeastScale =
  /** Scales below it become it; `zeros`: only those that are 0. */
  | { readonly scale: number; readonly zeros?: true }
  /** A narrower range, max − min, counts as it (AWQ). */
  | { readonly range: number }
  /** Groups of zeros are taken for weights from −`zeros` to `zeros` (GPTQ). */
  | { readonly zeros: number };

/** How a code follows from a weight and the parameters of its group; rounding half to even where nothing is said. */
export interface Rounding {
  /** `away` from zero, or `up`. */
  readonly half?: 'away' | 'up';
  /**
   * `reciprocal`: the weight times the rounded 1 / scale, not divided by the scale. `inverse`: 1 / absmax · divisor is computed, weights
   * are multiplied by it, and the scale is its reciprocal.
   */
  readonly by?: 'reciprocal' | 'inverse';
  /** Codes are found with scales before these are rounded to their dtype or quantized themselves. */
  readonly from?: 'exact';
  /** An integer zero point is added before the quotient is rounded, not after. Without one 0 is added, which leaves no negative zeros. */
  readonly zero?: 'before';
}

/** An 8-bit dynamic map for the scales themselves, less their mean, in blocks of `block` (QLoRA's double quantization). */
export interface DoubleQuantization {
  readonly block: number;
}

export interface Grid {
  readonly levels: Levels;
  readonly group: GroupShape;
  readonly rule: ScaleRule;
  readonly scale: ScaleDtype;
  /** What weights are cast to first; F32 where it and `arithmetic` are absent. */
  readonly weights?: 'F16' | 'BF16';
  /** What each step of arithmetic is rounded to: the dtype of the weights in some libraries (but for quotients by scales that hold a global one). */
  readonly arithmetic?: 'F16' | 'BF16';
  /**
   * Integer zero points are rounded and clamped to the codes. Float ones are exact float32: `float` as (code − zero) · scale, `minimum` as
   * code · scale + zero.
   */
  readonly zero?: 'integer' | 'float' | 'minimum';
  readonly least?: LeastScale;
  readonly rounding?: Rounding;
  /** Codes to a scale: weights are code · scale · (1 / perScale). LLM.int8 stores absmax, of 127 codes. */
  readonly perScale?: number;
  readonly double?: DoubleQuantization;
  /**
   * One float32 scale for the tensor, on top of those of groups (NVFP4), so that the largest of these is the largest that its dtype has.
   * A `divisor` is stored as the reciprocal, largest level · largest scale / absmax; a `factor` as it is.
   */
  readonly global?: 'divisor' | 'factor';
  /** Columns whose inputs are outliers are kept in half precision (LLM.int8). */
  readonly outliers?: true;
}
