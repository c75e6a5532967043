import { tokenTypes } from '../../tokenizer/vocabulary';
import type { TokenizerValues } from './ggufValues';
import { pieceTokenizer } from './pieceTokenizer';
import type { TextTokenizer } from './textTokenizer';
import { characterLength, unigramNormalizer } from './unigramText';

/** A piece: its id, and what it adds to the likelihood of a text. */
interface Piece {
  readonly id: number;
  readonly score: number;
}

/** A node of the trie of all pieces, by the bytes of their texts. */
interface Node {
  readonly next: Map<number, Node>;
  piece?: Piece;
}

interface Unigram {
  readonly root: Node;
  readonly unknown: Piece;
}

/** A character that no piece has costs this much more than the least likely piece (SentencePiece, kUnkPenalty). */
const unknownPenalty = 10;

/**
 * Runs Unigram as llama.cpp does (llama-vocab.cpp, llm_tokenizer_ugm): of all ways to cut a text into pieces the one with the highest
 * sum of log likelihoods; unknown characters side by side are one token.
 * @throws QuantscopeError MODEL_FILE for a damaged table of replacements.
 */
export function unigramTokenizer(values: TokenizerValues): TextTokenizer {
  const model = unigramOf(values);
  const normalize = unigramNormalizer(values);
  return pieceTokenizer(values, (text, rest) => bestPieces(model, normalize(text), rest));
}

function unigramOf({ tokens, types, scores, unknown = 0 }: TokenizerValues): Unigram {
  const root: Node = { next: new Map() };
  let least = Infinity;
  const matched: readonly number[] = [tokenTypes.normal, tokenTypes.userDefined, tokenTypes.unused];
  tokens.forEach((text, id) => {
    const type = types[id]!;
    const score = Math.fround(scores[id]!);
    if (type === tokenTypes.normal) least = Math.min(least, score);
    if (!matched.includes(type)) return;
    let node = root;
    for (const byte of Buffer.from(text)) {
      const child: Node = node.next.get(byte) ?? { next: new Map() };
      node.next.set(byte, child);
      node = child;
    }
    node.piece = { id, score: type === tokenTypes.userDefined ? 0 : score };
  });
  return { root, unknown: { id: unknown, score: Math.fround(least - unknownPenalty) } };
}

/** The best way to cut a text into pieces, by Viterbi's algorithm over its characters. */
async function bestPieces(
  model: Unigram,
  text: Buffer,
  rest: (at: number) => Promise<void>,
): Promise<number[]> {
  const best = new Float64Array(text.length + 1).fill(-Infinity);
  const from = new Int32Array(text.length + 1);
  const piece = new Int32Array(text.length + 1);
  best[0] = 0;
  for (let at = 0; at < text.length; at += characterLength(text[at]!)) {
    advance(model, text, at, (end, { id, score }) => {
      const sum = best[at]! + score;
      if (!(sum > best[end]!)) return;
      best[end] = sum;
      from[end] = at;
      piece[end] = id;
    });
    await rest(at);
  }
  return backtrack(from, piece, model.unknown.id);
}

/** Every piece that begins at a place of the text, and the unknown one where none is the character there. */
function advance(
  { root, unknown }: Unigram,
  text: Buffer,
  at: number,
  reach: (end: number, piece: Piece) => void,
): void {
  const character = Math.min(text.length, at + characterLength(text[at]!));
  let isKnown = false;
  let node: Node | undefined = root;
  for (let end = at; end < text.length;) {
    node = node.next.get(text[end++]!);
    if (!node) break;
    if (!node.piece) continue;
    isKnown ||= end === character;
    reach(end, node.piece);
  }
  if (!isKnown) reach(character, unknown);
}

function backtrack(from: Int32Array, piece: Int32Array, unknown: number): number[] {
  const ids: number[] = [];
  for (let end = from.length - 1; end > 0; end = from[end]!) {
    const id = piece[end]!;
    if (id !== unknown || ids.at(-1) !== unknown) ids.push(id);
  }
  return ids.reverse();
}
