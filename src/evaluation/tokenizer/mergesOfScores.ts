/**
 * SentencePiece merges the pair whose union has the best score; tokenizer.json lists pairs, best first. Each division of a token
 * into two parts is a pair, in the order of the tokens' scores (transformers, convert_slow_tokenizer). A part is a token or
 * a single character: characters that are not tokens are merged as well.
 * @param tokens by id.
 * @param scores for each token.
 */
export function mergesOfScores(
  tokens: readonly string[],
  scores: readonly number[],
): [left: string, right: string][] {
  const known = new Set(tokens);
  const byScore = tokens
    .map((token, id) => ({ letters: [...token], score: scores[id] ?? 0 }))
    .filter(({ letters }) => letters.length > 1)
    .sort((a, b) => b.score - a.score);
  return byScore.flatMap(({ letters }) =>
    letters.slice(1).flatMap((letter, i): [string, string][] => {
      const left = letters.slice(0, i + 1).join('');
      const right = letters.slice(i + 1).join('');
      const isPart = (part: string, isLetter: boolean): boolean => isLetter || known.has(part);
      return isPart(left, i === 0) && isPart(right, right === letter) ? [[left, right]] : [];
    }),
  );
}
