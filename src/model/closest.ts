import { said } from '../protocol/said';

/** Candidates that are compared letter by letter; a model may have a million tensors. */
const maxCompared = 20_000;

/** Names that are suggested together at most; a list of more is no help. */
const maxNamed = 8;

/** A name is suggested when at most this share of its letters differs. */
const maxDifference = 0.4;

/**
 * The candidate that was probably meant by a name that is not one of them: the same except for case and punctuation, else the one
 * that takes the fewest insertions, deletions and substitutions of letters. Undefined when none is close.
 */
export function closest(name: string, candidates: Iterable<string>): string | undefined {
  const plain = plainOf(name);
  let best: string | undefined;
  let least = Math.floor(maxDifference * plain.length) + 1;
  let compared = 0;
  for (const candidate of candidates) {
    const other = plainOf(candidate);
    if (other === plain) return candidate;
    if (compared >= maxCompared || Math.abs(other.length - plain.length) >= least) continue;
    compared += 1;
    const distance = editDistance(plain, other, least);
    if (distance >= least) continue;
    best = candidate;
    least = distance;
  }
  return best;
}

/**
 * Candidates that have a name among their words: "nf4" in "bnb-nf4" and "bnb-nf4-dq", "lm_head" in "lm_head.weight". None where
 * more than `maxNamed` have it.
 */
function named(name: string, candidates: Iterable<string>): readonly string[] {
  const words = ` ${wordsOf(name)} `;
  const found: string[] = [];
  if (words.trim() === '') return found;
  for (const candidate of candidates) {
    if (!` ${wordsOf(candidate)} `.includes(words)) continue;
    if (found.length === maxNamed) return [];
    found.push(candidate);
  }
  return found;
}

/** Part of an error message: ' Did you mean "x"?', ' Did you mean "x" or "y"?', or nothing. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const all = [...candidates];
  const near = closest(name, all);
  const likely = near === undefined ? named(name, all) : [near];
  if (likely.length === 0) return '';
  const quoted = likely.map((candidate) => `"${candidate}"`);
  const [last = '', ...others] = quoted.reverse();
  return others.length === 0
    ? said` Did you mean ${last}?`
    : said` Did you mean ${others.reverse().join(', ')} or ${last}?`;
}

const plainOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

/** Words and numbers of a name, separated by single spaces. */
const wordsOf = (name: string): string =>
  name
    .toLowerCase()
    .replace(/[^a-z0-9]+/g, ' ')
    .trim();

/** Levenshtein distance of two texts; some number of at least `limit` once it is certain to reach that. */
function editDistance(a: string, b: string, limit: number): number {
  let row = Array.from({ length: b.length + 1 }, (_, i) => i);
  for (let i = 1; i <= a.length; i++) {
    const next = [i];
    let least = i;
    for (let j = 1; j <= b.length; j++) {
      const substituted = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1);
      const distance = Math.min(substituted, row[j]! + 1, next[j - 1]! + 1);
      next.push(distance);
      if (distance < least) least = distance;
    }
    if (least >= limit) return limit;
    row = next;
  }
  return row[b.length]!;
}
