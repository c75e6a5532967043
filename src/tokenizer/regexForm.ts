import { parseAlternatives, type Alternatives, type Term } from './regexParser';

/**
 * One way to write a regular expression of the kind that pre-tokenizers have, whatever way a file writes it: escapes or characters,
 * capturing groups or not, the order in character classes, `(?i:'s|'t)` or `'(?i:[st])` or `'[sS]|'[tT]`, quantifiers that never give
 * back what they could not use elsewhere. Expressions with one form match the same; one that cannot be parsed is its own form.
 */
export function regexForm(pattern: string): string {
  const alternatives = parseAlternatives(pattern);
  return alternatives ? print(simplified(alternatives)) : pattern;
}

function simplified(alternatives: Alternatives): Alternatives {
  return sorted(alternatives.map((terms) => terms.flatMap(simplifiedTerm)).flatMap(expanded));
}

/** A group without a quantifier that has one alternative is that alternative. */
function simplifiedTerm(term: Term, index: number, terms: readonly Term[]): Term[] {
  const quantifier = greedy(term, terms[index + 1]);
  if (!term.group) return [{ ...term, quantifier }];
  const group = simplified(term.group);
  const [only] = group;
  if (term.open === '(?:' && quantifier === '' && group.length === 1 && only) return [...only];
  return [{ ...term, group, quantifier }];
}

/** A possessive quantifier is a greedy one where nothing of what it repeats can begin what follows. */
function greedy({ quantifier, members, negated }: Term, next: Term | undefined): string {
  if (!/^.+\+$/.test(quantifier)) return quantifier;
  const isApart =
    negated === true &&
    next?.members !== undefined &&
    next.negated !== true &&
    next.members.every((member) => covers(members ?? [], member));
  return !next || isApart ? quantifier.slice(0, -1) : quantifier;
}

const covers = (members: readonly string[], member: string): boolean =>
  members.includes(member) || (members.includes('\\s') && ['\\r', '\\n', '\\t', ' '].includes(member));

/** Texts that a sequence of groups is written out as; contractions are seven. */
const maxWays = 64;

/** Alternatives inside a group of plain text count as alternatives of the whole, where the rest is plain as well. */
function expanded(terms: readonly Term[]): Term[][] {
  const [only] = terms;
  if (terms.length === 1 && only?.group && only.open === '(?:' && only.quantifier === '')
    return only.group.map((inner) => [...inner]);
  const ways = terms.reduce((product, { group }) => product * (group?.length ?? 1), 1);
  if (!terms.every(isPlainTerm) || ways > maxWays) return [[...terms]];
  return terms.reduce<Term[][]>(
    (ways, term) => {
      const choices = term.group ?? [[term]];
      return ways.flatMap((way) => choices.map((choice) => [...way, ...choice]));
    },
    [[]],
  );
}

const isPlainTerm = (term: Term): boolean =>
  term.quantifier === '' &&
  (term.group ? term.open === '(?:' && term.group.every((inner) => inner.every(isLetter)) : isLetter(term));

const isLetter = ({ quantifier, isText }: Term): boolean => quantifier === '' && isText === true;

/** The order of plain texts side by side does not matter where none begins with another. */
function sorted(alternatives: Alternatives): Term[][] {
  const result: Term[][] = [];
  let run: Term[][] = [];
  const finish = (): void => {
    const texts = run.map(printTerms);
    const free = texts.every((text, i) => texts.every((other, j) => i === j || !other.startsWith(text)));
    const order = [...run.keys()].sort((a, b) => (texts[a]! < texts[b]! ? -1 : 1));
    for (const index of free ? order : run.keys()) result.push(run[index]!);
    run = [];
  };
  for (const terms of alternatives) {
    if (terms.every(isLetter)) {
      run.push([...terms]);
      continue;
    }
    finish();
    result.push([...terms]);
  }
  finish();
  return result;
}

const print = (alternatives: Alternatives): string => alternatives.map(printTerms).join('|');
const printTerms = (terms: readonly Term[]): string => terms.map(printTerm).join('');
const printTerm = ({ group, open, text, quantifier }: Term): string =>
  `${group ? `${open}${print(group)})` : text}${quantifier}`;
