/** Candidates that are compared letter by letter; a model may have a million tensors. */
const maxCompared = 20_000;

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

/** Part of an error message: ' Did you mean "x"?', or nothing. */
export function suggestion(name: string, candidates: Iterable<string>): string {
  const found = closest(name, candidates);
  return found === undefined ? '' : ` Did you mean "${found}"?`;
}

const plainOf = (name: string): string => name.toLowerCase().replace(/[^a-z0-9]/g, '');

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
