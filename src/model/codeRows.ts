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
}

/** The codes of a quantized weight, before they are scaled: a weight is (level − zero) · scale. */
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
