import { setImmediate } from 'node:timers/promises';
import { tokenTypes } from '../../tokenizer/vocabulary';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { TokenizerValues } from './ggufValues';
import { surrounded, type TextTokenizer } from './textTokenizer';
import { said } from '../../protocol/said';

/** Ids of a text without special tokens. */
export type EncodePart = (text: string, rest: Rest) => Promise<readonly number[]>;

/** Yielding to other work now and then. */
export interface Rest {
  /** Whether it is time to, at a place of the text; asked at each. */
  readonly isDue: (at: number) => boolean;
  /** @throws QuantscopeError CANCELLED when the signal has fired. */
  readonly taken: () => Promise<void>;
}

/** Bytes or characters between two looks at other work: some milliseconds. */
const stride = 1 << 16;

/** A tokenizer of pieces in which "▁" stands for a space, as llama.cpp runs it: special tokens are taken out of a text first. */
export function pieceTokenizer(values: TokenizerValues, encodePart: EncodePart): TextTokenizer {
  const { tokens, bos, eos, addsBos, addsEos } = values;
  const always = specialTokens(values, false);
  const parsed = specialTokens(values, true);
  const described = {
    ...{ size: tokens.length, addsBos, addsEos },
    ...(bos === undefined ? {} : { bos }),
    ...(eos === undefined ? {} : { eos }),
  };
  return {
    ...described,
    async encode(text, { addSpecial = false, parseSpecial = false, signal } = {}) {
      const parts: (readonly number[])[] = [];
      for (const part of cutAtTokens(text, parseSpecial ? parsed : always)) {
        throwIfCancelled(signal);
        parts.push(typeof part === 'number' ? [part] : await encodePart(part, resting(signal)));
      }
      return surrounded(parts, addSpecial, described);
    },
    decode: (ids) => decode(values, ids),
  };
}

function resting(signal: AbortSignal | undefined): Rest {
  let next = stride;
  return {
    isDue: (at) => {
      if (at < next) return false;
      next = at + stride;
      return true;
    },
    taken: async () => {
      await setImmediate();
      throwIfCancelled(signal);
    },
  };
}

interface WantedToken {
  readonly id: number;
  readonly text: string;
}

/** User-defined tokens, and on request control tokens and the unknown one; the longest before the others. */
function specialTokens({ tokens, types }: TokenizerValues, parseSpecial: boolean): WantedToken[] {
  const wanted: readonly number[] = [
    tokenTypes.userDefined,
    ...(parseSpecial ? [tokenTypes.control, tokenTypes.unknown] : []),
  ];
  return tokens
    .map((text, id) => ({ id, text }))
    .filter(({ id }) => wanted.includes(types[id]!))
    .sort((a, b) => Buffer.byteLength(b.text) - Buffer.byteLength(a.text));
}

/** The text between the tokens, and their ids, in order. */
function cutAtTokens(text: string, wanted: readonly WantedToken[]): (string | number)[] {
  let parts: (string | number)[] = text === '' ? [] : [text];
  for (const token of wanted) {
    if (!text.includes(token.text)) continue;
    parts = parts.flatMap((part) => (typeof part === 'string' ? cutAt(part, token) : [part]));
  }
  return parts;
}

function cutAt(text: string, token: WantedToken): (string | number)[] {
  return text
    .split(token.text)
    .flatMap((part, i) => [...(i === 0 ? [] : [token.id]), ...(part === '' ? [] : [part])]);
}

function decode(values: TokenizerValues, ids: ArrayLike<number>): string {
  const { tokens, types, addSpacePrefix, normalization, model, file } = values;
  const parts = Array.from(ids).map((id) => {
    const text = Number.isInteger(id) ? tokens[id] : undefined;
    if (text === undefined) {
      const message = said`${id} is not a token; the vocabulary has ${tokens.length}.`;
      throw new QuantscopeError('REQUEST', message, { file });
    }
    if (types[id] === tokenTypes.byte) return Buffer.from([parseInt(text.slice(3, 5), 16)]);
    return Buffer.from(types[id] === tokenTypes.normal ? text.replaceAll('▁', ' ') : text);
  });
  const text = Buffer.concat(parts).toString('utf8');
  const begins = addSpacePrefix || normalization.removeExtraSpaces === true || model === 'bert';
  return begins ? text.replace(/^ /, '') : text;
}
