import { cancellable } from './cancellable';
import type { BadWeight, TensorRange } from './codecs';

/** Extremes of the finite ones of some weights, and the first one that is not finite; +∞ and −∞ if none is finite. */
export interface MeasuredRange extends TensorRange {
  readonly bad: BadWeight | undefined;
}

/** Float64 sums over pairs of weights; everything in ErrorMetrics follows from them. */
export interface ErrorSums {
  readonly count: number;
  /** Σ x². */
  readonly source: number;
  /** Σ x'². */
  readonly decoded: number;
  /** Σ (x − x')². */
  readonly error: number;
  readonly maxError: number;
}

/** Error sums of some rows; invalid if there is a `bad` weight, the first that is not finite. */
export interface MeasuredRows extends ErrorSums {
  readonly bad: BadWeight | undefined;
}

/** What `measureRows` needs besides the rows. */
export interface MeasureOptions {
  /** One importance weight per column: non-negative, as in an imatrix. */
  readonly importance?: Float32Array | undefined;
  /** The histogram of the decoded weights is added to these equal-width bins over the range. */
  readonly histogram?: { readonly range: TensorRange; readonly counts: Float64Array } | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Errors, ranges, histograms and sums over logits. */
export interface MeasurementFunctions {
  /** Extremes of blocks of `dtype`, decoded a few thousand weights at a time. */
  measureRange(dtype: string, source: Uint8Array, signal?: AbortSignal): Promise<MeasuredRange>;
  /**
   * Decodes whole rows of `dtype`, encodes and decodes them in a ggml type, and sums the errors: a fused pass that holds a
   * few thousand weights per thread at a time.
   */
  measureRows(
    dtype: string,
    source: Uint8Array,
    columns: number,
    type: string,
    options?: MeasureOptions,
  ): Promise<MeasuredRows>;
  errorSums(source: Float32Array, decoded: Float32Array): Promise<ErrorSums>;
  /** Equal-width bins over [min, max]; values outside fall into the first and last bin. */
  histogram(values: Float32Array, min: number, max: number, bins: number): Promise<Float64Array>;
  /**
   * Adds a slice of the vocabulary to the sums over logits from which loss and KL divergence follow
   * (src/evaluation/divergence.ts): one pass over the slices of the vocabulary, in order. After a cancelled call, `sums` is invalid.
   * @param logits [rows, columns]: tokens `firstColumn` to `firstColumn + columns` of the vocabulary.
   * @param base those of the model to compare with, of the same shape, or undefined; in all slices or in none.
   * @param firstColumn a slice that begins at token 0 resets the sums.
   * @param targets [rows]: the token that a row predicts, or −1.
   * @param sums [rows, 9] float64: maximum m, Σ e^(l − m), the target's logit, the first token with the largest logit; the same
   * four of the base; Σ e^(b − max b) (b − l). A logit of −∞ (a masked token) adds nothing to its own model's sums. Where a
   * model has a NaN or +∞, its maximum, Σ and top token are NaN; without a base, the last five are NaN.
   */
  accumulateLogits(
    logits: Float32Array,
    base: Float32Array | undefined,
    columns: number,
    firstColumn: number,
    targets: Int32Array,
    sums: Float64Array,
    signal?: AbortSignal,
  ): Promise<void>;
}

/** The same in the addon: `cancel` is an Int32Array whose first element becomes 1 to cancel. */
export interface MeasurementBinding {
  measureRange(dtype: string, source: Uint8Array, cancel: Int32Array | undefined): Promise<MeasuredRange>;
  measureRows(
    dtype: string,
    source: Uint8Array,
    type: string,
    columns: number,
    min: number,
    max: number,
    counts: Float64Array | undefined,
    importance: Float32Array | undefined,
    cancel: Int32Array | undefined,
  ): Promise<MeasuredRows>;
  errorSums(source: Float32Array, decoded: Float32Array): Promise<ErrorSums>;
  histogram(values: Float32Array, min: number, max: number, counts: Float64Array): Promise<void>;
  accumulateLogits(
    logits: Float32Array,
    base: Float32Array | undefined,
    columns: number,
    firstColumn: number,
    targets: Int32Array,
    sums: Float64Array,
    cancel: Int32Array | undefined,
  ): Promise<void>;
}

export function measurementFunctions(binding: MeasurementBinding): MeasurementFunctions {
  return {
    measureRange: (dtype, source, signal) =>
      cancellable(signal, (cancel) => binding.measureRange(dtype, source, cancel)),
    measureRows: (dtype, source, columns, type, { importance, histogram, signal } = {}) =>
      cancellable(signal, (cancel) => {
        const { min, max } = histogram?.range ?? { min: 0, max: 0 };
        return binding.measureRows(
          ...([dtype, source, type, columns, min, max] as const),
          ...([histogram?.counts, importance, cancel] as const),
        );
      }),
    errorSums: async (source, decoded) => binding.errorSums(source, decoded),
    histogram: async (values, min, max, bins) => {
      const counts = new Float64Array(bins);
      await binding.histogram(values, min, max, counts);
      return counts;
    },
    accumulateLogits: (logits, base, columns, firstColumn, targets, sums, signal) =>
      cancellable(signal, (cancel) =>
        binding.accumulateLogits(logits, base, columns, firstColumn, targets, sums, cancel),
      ),
  };
}
