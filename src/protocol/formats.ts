import type { GgmlQuantType } from './ggmlTypes';
import type { Grid } from './grids';

/** How a format maps weights to codes, as data: a grid whose scales follow from its rule, or the blocks of a ggml type. */
export type Scheme =
  { readonly kind: 'grid'; readonly grid: Grid } | { readonly kind: 'ggml'; readonly type: GgmlQuantType };

export type FormatFamily = 'integer' | 'bitsandbytes' | 'float' | 'gguf';

/** What a list of formats shows. `id` is what users type: "absmax-int8", "nf4", "Q4_K", "int4-g128". */
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
