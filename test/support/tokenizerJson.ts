/**
 * Llama 2's vocabulary as Hugging Face converts it: a token's merges are all its divisions into two tokens, tokens by
 * falling score.
 */
export function asTokenizerJson(
  tokens: readonly string[],
  scores: readonly number[],
  types: readonly number[],
): Record<string, unknown> {
  const ids = new Map(tokens.map((token, id) => [token, id]));
  const merged = tokens
    .map((token, id) => ({ token, score: scores[id] ?? 0, normal: types[id] === 1 }))
    .filter(({ normal }) => normal)
    .sort((a, b) => b.score - a.score);
  const merges = merged.flatMap(({ token }) => {
    const letters = [...token];
    return letters.slice(1).flatMap((_, i) => {
      const pair = [letters.slice(0, i + 1).join(''), letters.slice(i + 1).join('')];
      return pair.every((part) => ids.has(part)) ? [pair] : [];
    });
  });
  return {
    normalizer: {
      type: 'Sequence',
      normalizers: [
        { type: 'Prepend', prepend: '▁' },
        { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
      ],
    },
    model: { type: 'BPE', byte_fallback: true, unk_token: '<unk>', vocab: Object.fromEntries(ids), merges },
    added_tokens: [
      { id: 1, content: '<s>', special: true },
      { id: 2, content: '</s>', special: true },
    ],
  };
}

/** A tokenizer.json of Gemma 4's kind: all bytes, letters, no merges, and nothing before a text. */
export function byteFallbackJson(): Record<string, unknown> {
  const bytes = Array.from(
    { length: 256 },
    (_, byte) => `<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`,
  );
  const tokens = ['<unk>', '<s>', '</s>', ...bytes, '▁', ...'abcdefghijklmnopqrstuvwxyz'];
  const types = tokens.map((_, id) => (id === 0 ? 2 : id < 3 ? 3 : id < 259 ? 6 : 1));
  return {
    ...asTokenizerJson(
      tokens,
      tokens.map(() => 0),
      types,
    ),
    normalizer: { type: 'Replace', pattern: { String: ' ' }, content: '▁' },
  };
}
