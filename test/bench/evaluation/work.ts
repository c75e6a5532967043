/** Tokens of a window. */
export const windowLength = 512;

/** The sample's tokenizer has this many tokens; embedding rows after them have no text. */
const usedTokens = 1000;

/** Tokens of some windows. */
export const windowTokens = (count: number): Int32Array =>
  Int32Array.from({ length: count }, (_, i) => (i * 389 + 17) % usedTokens);
