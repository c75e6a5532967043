/** Which tokens a graph takes at a time. */
export interface Span {
  /** Tokens of a window that go in together. */
  readonly length: number;
  /**
   * Present for a graph that takes `length` more tokens of one text, the first of them at input `position`, with the keys and values of all
   * earlier ones (`past_key`, `past_value`), and gives those joined with its own (`key`, `value`). Positions are below it.
   */
  readonly positions?: number;
}
