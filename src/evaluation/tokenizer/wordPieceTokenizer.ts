import type { Normalization } from '../../tokenizer/vocabulary';
import type { TokenizerValues } from './ggufValues';
import { pieceTokenizer, type Rest } from './pieceTokenizer';
import { pieceTrie, type PieceTrie } from './pieceTrie';
import type { TextTokenizer } from './textTokenizer';

/**
 * Runs WordPiece as llama.cpp does (llama-vocab.cpp, llm_tokenizer_wpm): a word with "▁" before it is cut into the longest pieces that
 * the vocabulary has, from its beginning on; a word that cannot be cut so is one unknown token.
 */
export function wordPieceTokenizer(values: TokenizerValues): TextTokenizer {
  const { tokens, unknown = 0, normalization, file } = values;
  const pieces = pieceTrie(
    tokens.map((text) => Buffer.from(text)),
    file,
  );
  return pieceTokenizer(values, async (text, rest) => {
    const list: number[] = [];
    let at = 0;
    for (const part of text.split(spaces)) {
      for (const word of wordsOf(part, normalization)) {
        const cut = await cutOf(Buffer.from(`▁${word}`), pieces, rest, at);
        for (const id of cut ?? [unknown]) list.push(id);
      }
      at += part.length;
      if (rest.isDue(at)) await rest.taken();
    }
    return list;
  });
}

/**
 * The longest pieces from the beginning on; undefined where no piece begins at some place. Each place takes at most as many steps as the
 * longest piece has bytes.
 * @param start of the word in the text.
 */
async function cutOf(
  word: Uint8Array,
  { next, index }: PieceTrie,
  rest: Rest,
  start: number,
): Promise<number[] | undefined> {
  const ids: number[] = [];
  for (let at = 0; at < word.length;) {
    let [end, id] = [at, -1];
    for (let to = at, node = 0; to < word.length && node >= 0; to++) {
      node = next(node, word[to]!);
      if (node < 0 || index(node) < 0) continue;
      [end, id] = [to + 1, index(node)];
    }
    if (id < 0) return undefined;
    ids.push(id);
    at = end;
    if (rest.isDue(start + at)) await rest.taken();
  }
  return ids;
}

const spaces = /[\t-\r \u0085\u00a0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]/;
const dropped = /[\0\ufffd\p{C}]/u;
/** A word of its own: punctuation, ASCII symbols, Chinese characters. */
const alone =
  /[\p{P}$+<=>^`|~\u4e00-\u9fff\u3400-\u4dbf\u{20000}-\u{2a6df}\u{2a700}-\u{2b73f}\u{2b740}-\u{2b81f}\u{2b920}-\u{2ceaf}\uf900-\ufaff\u{2f800}-\u{2fa1f}]/u;

/**
 * The words of a text without spaces. Where accents are stripped, only the first letter of a decomposed character stays, which for
 * Hangul is a part of the syllable, and all marks go.
 */
function wordsOf(text: string, { lowercase = true, stripAccents = lowercase }: Normalization): string[] {
  const words: string[] = [];
  let word = '';
  const finish = (): void => {
    if (word !== '') words.push(word);
    word = '';
  };
  for (const original of text) {
    const [letter = ''] = stripAccents ? original.normalize('NFD') : original;
    if (dropped.test(letter) || (stripAccents && /\p{M}/u.test(letter))) continue;
    const isAlone = alone.test(letter);
    if (isAlone) finish();
    word += lowercase ? lowerCase(letter) : letter;
    if (isAlone) finish();
  }
  finish();
  return words;
}

/** One letter for one letter. */
function lowerCase(letter: string): string {
  const [first = letter, ...others] = letter.toLowerCase();
  return others.length === 0 ? first : letter;
}
