import { QuantscopeError } from '../model/errors';
import { said } from '../protocol/said';

/** The part of a BPE model that merging depends on. */
interface Merging {
  /** Text → id. */
  readonly vocab: ReadonlyMap<string, number>;
  /** Pairs, best first. */
  readonly merges: readonly (readonly [string, string])[];
}

/** Tokens with more letters are not published; their merges would take a time that grows with the square of it. */
const longest = 512;

/**
 * A token that merging its letters does not lead to: only where there is none, taking words that are tokens whole changes nothing.
 * @param added ids of tokens that are found in texts before these are cut into words; vocabularies may list them too.
 * @throws QuantscopeError UNSUPPORTED for a token that is too long to be tried.
 */
export function unreachable(
  { vocab, merges }: Merging,
  added: ReadonlySet<number>,
  file: string,
): string | undefined {
  const ranks = new Map(merges.map(([left, right], rank) => [`${left} ${right}`, rank]));
  for (const [text, id] of vocab) {
    if (added.has(id)) continue;
    const letters = [...text];
    if (letters.length > longest) {
      const message = said`Whether merging leads to every token cannot be told: token ${id} has ${letters.length} letters, more than ${longest}.`;
      throw new QuantscopeError('UNSUPPORTED', message, { file });
    }
    if (letters.length > 1 && merged(letters, ranks).length > 1) return text;
  }
  return undefined;
}

/** Letters after all merges, the best first. */
function merged(letters: readonly string[], ranks: ReadonlyMap<string, number>): readonly string[] {
  const parts = [...letters];
  for (;;) {
    let [best, at] = [Infinity, -1];
    for (let i = 0; i + 1 < parts.length; i++) {
      const rank = ranks.get(`${parts[i]!} ${parts[i + 1]!}`) ?? Infinity;
      if (rank < best) [best, at] = [rank, i];
    }
    if (at < 0) return parts;
    parts.splice(at, 2, parts[at]! + parts[at + 1]!);
  }
}
