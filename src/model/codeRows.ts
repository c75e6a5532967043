/** Scale and zero point of groups of columns, of some rows. */
export interface Groups {
  /** Groups per row. */
  readonly count: number;
  /** The group of each column; consecutive ones of equal size when absent. */
  readonly ofColumn?: Int32Array;
  /** `[rows, count]`. */
  readonly scales: Float32Array;
  /** `[rows, count]`; 0 when absent. */
  readonly zeros?: Float32Array;
  /** What is added after scaling, `[rows, count]`: the minimums of ggml's types. */
  readonly minimums?: Float32Array;
  /** Present where scales, and minimums, are integers times numbers of their block. */
  readonly blocks?: BlockFactors;
}

/** Numbers of ggml's super-blocks that the integer scales, and minimums, of their groups are multiplied by. */
export interface BlockFactors {
  /** Super-blocks per row. */
  readonly count: number;
  /** `[rows, count]`. */
  readonly scales: Float32Array;
  readonly minimums?: Float32Array;
}

/** The codes of a quantized weight, before they are scaled: a weight is (level − zero) · scale + minimum. */
export interface CodeReader {
  /** What codes can stand for, in ascending order: 0 to 15, the values of NF4. @throws QuantscopeError IO, MODEL_FILE. */
  levels(signal?: AbortSignal): Promise<Float32Array>;
  /**
   * The levels of whole rows, and what they are scaled by.
   * @param target `[rows, columns]`.
   * @throws QuantscopeError IO, MODEL_FILE, CANCELLED.
   */
  read(
    span: { readonly row: number; readonly rows: number },
    target: Float32Array,
    signal?: AbortSignal,
  ): Promise<Groups>;
}
