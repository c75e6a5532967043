import { tokenTypes } from '../../tokenizer/vocabulary';
import type { TokenizerValues } from './ggufValues';
import { pieceTokenizer, type Rest } from './pieceTokenizer';
import { pieceTrie, type PieceTrie } from './pieceTrie';
import type { TextTokenizer } from './textTokenizer';
import { characterLength, unigramNormalizer } from './unigramText';

interface Unigram {
  readonly trie: PieceTrie;
  /** By id: what a piece adds to the likelihood of a text. */
  readonly scores: Float64Array;
  readonly unknown: number;
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

function unigramOf({ tokens, types, scores: stated, unknown = 0, file }: TokenizerValues): Unigram {
  const matched: readonly number[] = [tokenTypes.normal, tokenTypes.userDefined, tokenTypes.unused];
  const scores = Float64Array.from(tokens, (_, id) =>
    types[id] === tokenTypes.userDefined ? 0 : Math.fround(stated[id]!),
  );
  const least = scores.reduce(
    (low, score, id) => (types[id] === tokenTypes.normal ? Math.min(low, score) : low),
    Infinity,
  );
  const trie = pieceTrie(
    tokens.map((text, id) => (matched.includes(types[id]!) ? Buffer.from(text) : undefined)),
    file,
  );
  scores[unknown] = Math.fround(least - unknownPenalty);
  return { trie, scores, unknown };
}

/** The best way to cut a text into pieces, by Viterbi's algorithm over its characters. */
async function bestPieces({ trie, scores, unknown }: Unigram, text: Buffer, rest: Rest): Promise<number[]> {
  const best = new Float64Array(text.length + 1).fill(-Infinity);
  const from = new Int32Array(text.length + 1);
  const piece = new Int32Array(text.length + 1);
  best[0] = 0;
  const reach = (at: number, end: number, id: number): void => {
    const sum = best[at]! + scores[id]!;
    if (!(sum > best[end]!)) return;
    best[end] = sum;
    from[end] = at;
    piece[end] = id;
  };
  let next = 0;
  for (let at = 0; at < text.length; at = next) {
    next = Math.min(text.length, at + characterLength(text[at]!));
    let isKnown = false;
    for (let node = 0, end = at; end < text.length;) {
      node = trie.next(node, text[end++]!);
      if (node < 0) break;
      const id = trie.index(node);
      if (id < 0) continue;
      isKnown ||= end === next;
      reach(at, end, id);
    }
    if (!isKnown) reach(at, next, unknown);
    if (rest.isDue(at)) await rest.taken();
  }
  return backtrack(from, piece, unknown);
}

function backtrack(from: Int32Array, piece: Int32Array, unknown: number): number[] {
  const ids: number[] = [];
  for (let end = from.length - 1; end > 0; end = from[end]!) {
    const id = piece[end]!;
    if (id !== unknown || ids.at(-1) !== unknown) ids.push(id);
  }
  return ids.reverse();
}
