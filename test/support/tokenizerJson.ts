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
