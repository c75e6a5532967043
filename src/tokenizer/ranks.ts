/** A vocabulary without merges: the rank of each token, which is also the order in which tiktoken merges to it. */
export interface RankedVocabulary {
  /** Letters of the token's bytes (`lettersOf`) → rank. */
  readonly ranks: ReadonlyMap<string, number>;
  /** The pattern that cuts text into words. */
  readonly pattern: string;
  /** What is added to a rank to get an id. */
  readonly firstId: number;
  readonly special: readonly SpecialToken[];
  /** Special tokens before a text. */
  readonly before: readonly string[];
}

export interface SpecialToken {
  readonly id: number;
  readonly content: string;
  /** Never made from text. */
  readonly special: boolean;
}

/** The tokenizer.json equivalent. A word that is a token is that token, as in tiktoken. */
export function tokenizerOfRanks(vocabulary: RankedVocabulary): Record<string, unknown> {
  const { ranks, pattern, firstId, special, before } = vocabulary;
  const split = { type: 'Split', pattern: { Regex: pattern }, behavior: 'Isolated', invert: false };
  const bytes = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
  const single = [
    ...before.map((id) => ({ SpecialToken: { id, type_id: 0 } })),
    { Sequence: { id: 'A', type_id: 0 } },
  ];
  return {
    added_tokens: special,
    pre_tokenizer: { type: 'Sequence', pretokenizers: [split, bytes] },
    post_processor: { type: 'TemplateProcessing', single },
    decoder: { type: 'ByteLevel' },
    model: {
      type: 'BPE',
      vocab: Object.fromEntries([...ranks].map(([token, rank]) => [token, firstId + rank])),
      merges: mergesOfRanks(ranks),
      ignore_merges: true,
    },
  };
}

/**
 * tiktoken merges the two neighbours that make the token of the lowest rank, whatever they are: so each division of a token into two
 * tokens is a pair, in the order of the tokens' ranks (transformers, convert_slow_tokenizer).
 */
function mergesOfRanks(ranks: ReadonlyMap<string, number>): [left: string, right: string][] {
  const byRank = [...ranks].sort(([, a], [, b]) => a - b);
  return byRank.flatMap(([token]) => {
    const pairs: [string, string][] = [];
    for (let at = 1; at < token.length; at++) {
      const pair: [string, string] = [token.slice(0, at), token.slice(at)];
      if (ranks.has(pair[0]) && ranks.has(pair[1])) pairs.push(pair);
    }
    const rank = (part: string): number => ranks.get(part) ?? 0;
    return pairs.sort((a, b) => rank(a[0]) - rank(b[0]) || rank(a[1]) - rank(b[1]));
  });
}
