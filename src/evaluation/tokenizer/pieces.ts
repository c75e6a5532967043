import type { Tokenizer } from '@huggingface/tokenizers';
import { isByteLevel } from '../../tokenizer/preTokenizers';
import type { AddedToken, TokenizerJson } from './tokenizerJson';

/**
 * Cutting a long text so that the pieces' tokens, one after the other, are the text's. A border lies between a letter and a line
 * break, or between a letter and a space followed by another letter, and only where one of two things holds:
 *
 * - the tokenizer cuts text into words, and ends a word there: nothing is merged across words;
 * - it does not cut text at all, and no token of its vocabulary has the two characters side by side: nothing that merges make
 *   lies across them.
 */
export interface Piece {
  readonly text: string;
  /** Tokens at its beginning that come from the space put before every text, and are not the text's. */
  readonly extra: 0 | 1;
}

/** Whether a text may be cut, and what every piece begins with. */
export interface BorderRule {
  /** A space is put before a text; a piece that would begin with a space begins after it. */
  readonly addsSpace: boolean;
  readonly beforeSpace: (letter: string, next: string) => boolean;
  readonly beforeLineBreak: (letter: string) => boolean;
}

/** A letter and what a border may lie before. */
const candidate = /(\p{L})(?:\n| (?=(\p{L})))/gu;

/**
 * Pieces of at least `size` characters, up to the first border after that; a text without a border is one piece.
 * @param rule undefined when borders are not known.
 */
export function* piecesOf(text: string, rule: BorderRule | undefined, size: number): Generator<Piece> {
  let start = 0;
  let extra: Piece['extra'] = 0;
  while (rule && text.length - start > size) {
    const border = borderFrom(text, start + size, rule);
    if (border === undefined) break;
    yield { text: text.slice(start, border), extra };
    const skips = rule.addsSpace && text[border] === ' ';
    start = skips ? border + 1 : border;
    extra = rule.addsSpace && !skips ? 1 : 0;
  }
  yield { text: text.slice(start), extra };
}

function borderFrom(text: string, from: number, rule: BorderRule): number | undefined {
  candidate.lastIndex = from;
  for (let match = candidate.exec(text); match; match = candidate.exec(text)) {
    const [, letter = '', next] = match;
    const border = match.index + letter.length;
    // The next candidate may begin with the letter after this space.
    candidate.lastIndex = border + 1;
    if (next === undefined ? rule.beforeLineBreak(letter) : rule.beforeSpace(letter, next)) return border;
  }
  return undefined;
}

/**
 * Where a tokenizer's texts may be cut; undefined when nothing is known.
 * @param json what the tokenizer was made from.
 */
export function borderRule(tokenizer: Tokenizer, json: TokenizerJson): BorderRule | undefined {
  // White space next to such a token may belong to it, and a space may be put after it.
  if (json.added_tokens.some(touchesBorders)) return undefined;
  return isByteLevel(json.pre_tokenizer) ? borderOfWords(tokenizer) : borderOfVocabulary(tokenizer, json);
}

const touchesBorders = ({ content }: AddedToken): boolean => /^\p{L}|\p{L}$|\p{L}[ \n]/u.test(content);

function borderOfVocabulary(tokenizer: Tokenizer, { model }: TokenizerJson): BorderRule {
  const { vocab } = model;
  const joined = joinedPairs(Object.keys(vocab));
  const addsSpace = wordsOf(tokenizer, 'a')[0]?.startsWith('▁') === true;
  // The space put before a piece must stay a separate token.
  const spaceStaysAlone = !addsSpace || ('▁' in vocab && !joined.has('▁\n'));
  return {
    addsSpace,
    beforeSpace: (letter) => !joined.has(`${letter}▁`),
    beforeLineBreak: (letter) => spaceStaysAlone && !joined.has(`${letter}\n`),
  };
}

/** The letters at a border are tried with the tokenizer itself, each once: its patterns know classes of letters, not places. */
function borderOfWords(tokenizer: Tokenizer): BorderRule {
  const endsWord = remembered((letter) => {
    const word = letter + letter;
    const parts = [word, ` ${word}`, `\n${word}`, ` ${word}`];
    const apart = parts.flatMap((part) => wordsOf(tokenizer, part));
    return String(wordsOf(tokenizer, parts.join(''))) === String(apart);
  });
  return {
    addsSpace: false,
    beforeSpace: (letter, next) => endsWord(letter) && endsWord(next),
    beforeLineBreak: endsWord,
  };
}

/** What is merged on its own. */
function wordsOf({ normalizer, pre_tokenizer: cutter }: Tokenizer, text: string): string[] {
  const normal = normalizer ? normalizer.normalize(text) : text;
  return cutter ? cutter.pre_tokenize(normal, { section_index: 0 }) : [normal];
}

/**
 * A tokenizer that merges whole texts, made to merge word by word where that changes nothing, because no token has a space
 * after another character: short words are merged much faster, and the library remembers them.
 */
export function mergingByWord(json: TokenizerJson): TokenizerJson {
  const { pre_tokenizer: cutter, model } = json;
  if (isByteLevel(cutter)) return json;
  if ([...joinedPairs(Object.keys(model.vocab))].some((pair) => /^[^▁]▁$/u.test(pair))) return json;
  const words = { type: 'Split', pattern: { Regex: '▁*[^▁]+' }, behavior: 'Isolated', invert: false };
  const pretokenizers = cutter ? [cutter, words] : [words];
  return { ...json, pre_tokenizer: { type: 'Sequence', pretokenizers } };
}

/** Pairs of a character and a space or line break after it that some token has. */
function joinedPairs(vocabulary: readonly string[]): ReadonlySet<string> {
  return new Set(
    vocabulary.flatMap((token) => {
      const letters = [...token];
      return letters.slice(1).flatMap((letter, i) => (/[▁\n]/.test(letter) ? `${letters[i]}${letter}` : []));
    }),
  );
}

function remembered(test: (letter: string) => boolean): (letter: string) => boolean {
  const answers = new Map<string, boolean>();
  return (letter) => {
    const answer = answers.get(letter) ?? test(letter);
    answers.set(letter, answer);
    return answer;
  };
}
