import { setImmediate } from 'node:timers/promises';
import { Tokenizer } from '@huggingface/tokenizers';
import { inBoundedTime } from '../../model/boundedTime';
import { reason } from '../../model/byteSource';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { borderRule, mergingByWord, piecesOf, type BorderRule } from './pieces';
import type { TokenizerJson } from './tokenizerJson';
import { said } from '../../protocol/said';

export interface EncodeOptions {
  /** BOS before the text and EOS after it, where the model wants them. */
  readonly addSpecial?: boolean;
  /** Texts of special tokens become those tokens; otherwise they are text like any other. */
  readonly parseSpecial?: boolean;
  readonly signal?: AbortSignal | undefined;
}

/** Text to token ids and back, as a model was trained with. */
export interface TextTokenizer {
  /** @throws QuantscopeError CANCELLED when the signal fires. */
  encode(text: string, options?: EncodeOptions): Promise<Int32Array>;
  /**
   * The text of tokens, special ones included; bytes that are not UTF-8 become replacement characters.
   * @throws QuantscopeError REQUEST for an id that the vocabulary does not have.
   */
  decode(ids: ArrayLike<number>): string;
  /** Ids of the vocabulary, including those that no text leads to. */
  readonly size: number;
  readonly bos?: number;
  readonly eos?: number;
  /** Whether `addSpecial` puts BOS before a text, and EOS after it. */
  readonly addsBos: boolean;
  readonly addsEos: boolean;
}

export interface TextTokenizerParts extends Pick<
  TextTokenizer,
  'size' | 'bos' | 'eos' | 'addsBos' | 'addsEos'
> {
  readonly json: TokenizerJson;
  /** Named by errors. */
  readonly file: string;
  /** Characters of the pieces that a long text is encoded in: some tens of milliseconds each. */
  readonly pieceSize?: number;
  /** Milliseconds that a piece may take. */
  readonly timeLimit?: number;
}

interface Encoder {
  readonly file: string;
  /** Milliseconds that a piece may take. */
  readonly timeLimit: number | undefined;
  readonly tokenizer: Tokenizer;
  readonly rule: BorderRule | undefined;
}

/**
 * Runs a tokenizer.json.
 * @throws QuantscopeError UNSUPPORTED when the library does not know one of its steps.
 */
export function textTokenizer(parts: TextTokenizerParts): TextTokenizer {
  const { json, file, pieceSize = 1 << 16, timeLimit, ...described } = parts;
  const { size } = described;
  const plain = encoderOf(
    { ...json, added_tokens: json.added_tokens.filter(({ special }) => !special) },
    file,
    timeLimit,
  );
  let complete: Encoder | undefined;
  const withSpecial = (): Encoder => (complete ??= encoderOf(json, file, timeLimit));
  return {
    ...described,
    async encode(text, { addSpecial = false, parseSpecial = false, signal } = {}) {
      const encoder = parseSpecial ? withSpecial() : plain;
      return surrounded(await encodePieces(encoder, text, pieceSize, signal), addSpecial, described);
    },
    decode: (ids) => decode(withSpecial(), ids, size),
  };
}

/** Milliseconds: a piece of text usually takes some tens, also on a busy machine less than a second. */
const usualLimit = 20_000;

/** @throws QuantscopeError MODEL_FILE after `limit` milliseconds. */
function bounded<T>(work: () => T, file: string, limit = usualLimit): T {
  return inBoundedTime(work, limit, () => {
    const message = said`The tokenizer did not finish a piece of text in ${limit / 1000} seconds: one of its regular expressions tries too many ways to match, or the text has a very long stretch without spaces.`;
    return new QuantscopeError('MODEL_FILE', message, { file });
  });
}

function encoderOf(json: TokenizerJson, file: string, timeLimit: number | undefined): Encoder {
  const make = (): Encoder => {
    const tokenizer = new Tokenizer(mergingByWord(json), { clean_up_tokenization_spaces: false });
    return { file, timeLimit, tokenizer, rule: borderRule(tokenizer, json) };
  };
  try {
    return bounded(make, file, timeLimit);
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`The tokenizer cannot be run: ${reason(cause)}`,
      { file },
      cause,
    );
  }
}

/** Yields to other work between pieces, and stops when the signal fires. */
async function encodePieces(
  { tokenizer, rule, file, timeLimit }: Encoder,
  text: string,
  size: number,
  signal: AbortSignal | undefined,
): Promise<ArrayLike<number>[]> {
  const parts: Int32Array[] = [];
  for (const piece of piecesOf(text, rule, size)) {
    throwIfCancelled(signal);
    const encode = () => tokenizer.encode(piece.text, { add_special_tokens: false });
    const { ids } = bounded(encode, file, timeLimit);
    parts.push(Int32Array.from(ids).subarray(piece.extra));
    await setImmediate();
  }
  throwIfCancelled(signal);
  return parts;
}

/** The tokens of a text in one list, with BOS before them and EOS after them where they are wanted. */
export function surrounded(
  parts: readonly ArrayLike<number>[],
  addSpecial: boolean,
  { bos, eos, addsBos, addsEos }: Pick<TextTokenizer, 'bos' | 'eos' | 'addsBos' | 'addsEos'>,
): Int32Array {
  const before = addSpecial && addsBos && bos !== undefined ? [[bos]] : [];
  const after = addSpecial && addsEos && eos !== undefined ? [[eos]] : [];
  return concatenate([...before, ...parts, ...after]);
}

function concatenate(parts: readonly ArrayLike<number>[]): Int32Array {
  const all = new Int32Array(parts.reduce((sum, { length }) => sum + length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

function decode({ tokenizer, file, timeLimit }: Encoder, ids: ArrayLike<number>, size: number): string {
  const known = Array.from(ids).filter((id) => {
    if (!Number.isInteger(id) || id < 0 || id >= size)
      throw new QuantscopeError('REQUEST', said`${id} is not a token; the vocabulary has ${size}.`, { file });
    // Ids that only pad the embedding have no text.
    return tokenizer.id_to_token(id) !== undefined;
  });
  return known.length === 0 ? '' : bounded(() => tokenizer.decode(known), file, timeLimit);
}
