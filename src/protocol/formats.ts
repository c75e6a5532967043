import type { GgmlQuantType } from './ggmlTypes';

/**
 * How a format maps weights to codes, as data. The addon and the ONNX graphs both read this, so that one description
 * defines a format in both places. `group` is the set of weights that share a scale: the whole tensor, one row
 * (the last dimension), or a block of that many consecutive weights inside a row.
 */
export type Group = 'tensor' | 'row' | number;

export type AffineRule =
  /** scale s = qmax/max|x|, q = round(x·s), x' = q/s; qmax = 2^(bits−1) − 1. */
  | 'absmax'
  /** s = (2^bits − 1)/(max − min), z = −round(s·min) − 2^(bits−1), q = clip(round(s·x) + z), x' = (q − z)/s. */
  | 'zero-point'
  /** Δ = (max − min)/(2^bits − 1), q = clip(round((x − min)/Δ), 0, 2^bits − 1), x' = min + q·Δ. */
  | 'min-max';

export type Scheme =
  | { readonly kind: 'affine'; readonly rule: AffineRule; readonly bits: 4 | 8; readonly group: Group }
  | { readonly kind: 'nf4'; readonly block: number }
  | { readonly kind: 'fp8'; readonly variant: 'e4m3' | 'e5m2'; readonly group: 'tensor' | 'row' }
  | { readonly kind: 'ggml'; readonly type: GgmlQuantType };

export type FormatFamily = 'integer' | 'bitsandbytes' | 'fp8' | 'gguf';

/** What a list of formats shows. `id` is what users type: "absmax-int8", "nf4", "Q4_K". */
export interface FormatDescription {
  readonly id: string;
  readonly label: string;
  readonly family: FormatFamily;
  /** One sentence: what is shared, what is stored. */
  readonly description: string;
  readonly scheme: Scheme;
  /** The last dimension must be a multiple of this. */
  readonly rowMultiple: number;
  /** Bits per weight with scales, on a large matrix; the exact figure depends on the shape. */
  readonly nominalBitsPerWeight: number;
}
