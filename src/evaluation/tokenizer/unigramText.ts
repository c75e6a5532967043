import { charsmapOf } from '../../tokenizer/charsmap';
import { tokenTypes } from '../../tokenizer/vocabulary';
import type { TokenizerValues } from './ggufValues';

/** UTF-8 of "▁", which stands for a space. */
const spaceMark = Buffer.from('▁');
const space = 0x20;

/**
 * How llama.cpp normalizes a text for Unigram: the longest beginning that the table of replacements has is replaced, then spaces
 * become "▁". Texts of user-defined tokens stay as they are. Where extra spaces are removed, each word begins with one "▁";
 * otherwise each space is one, with another before the first word where the tokenizer wants that.
 */
export function unigramNormalizer(values: TokenizerValues): (text: string) => Buffer {
  const { normalization, addSpacePrefix, file } = values;
  const removes = normalization.removeExtraSpaces === true;
  const charsmap = normalization.charsmap && charsmapOf(normalization.charsmap, file);
  const userDefined = userDefinedTexts(values);
  return (text) => {
    const input = Buffer.from(text);
    const parts: Uint8Array[] = [];
    let inWord = false;
    let prefixed = false;
    for (let at = 0; at < input.length;) {
      const kept = userDefined(input, at);
      const replaced = kept === 0 ? charsmap?.(input, at) : undefined;
      const length = replaced?.length ?? (kept || characterLength(input[at]!));
      for (const byte of replaced?.bytes ?? input.subarray(at, at + length)) {
        const begins: boolean = byte !== space && !inWord;
        if (begins ? removes || (addSpacePrefix && !prefixed) : byte === space && !removes)
          parts.push(spaceMark);
        prefixed ||= begins && (removes || addSpacePrefix);
        inWord = byte !== space;
        if (inWord) parts.push(singleBytes[byte]!);
      }
      at += length;
    }
    return Buffer.concat(parts);
  };
}

const singleBytes = Array.from({ length: 256 }, (_, byte) => Uint8Array.of(byte));

/** Bytes of the character that begins with this byte of UTF-8. */
export function characterLength(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}

/** The length of the longest user-defined token at a place of a text, or 0. */
function userDefinedTexts({ tokens, types }: TokenizerValues): (text: Buffer, at: number) => number {
  const byFirst = new Map<number, Buffer[]>();
  tokens.forEach((token, id) => {
    if (types[id] !== tokenTypes.userDefined) return;
    const bytes = Buffer.from(token);
    byFirst.set(bytes[0]!, [...(byFirst.get(bytes[0]!) ?? []), bytes]);
  });
  return (text, at) => {
    const here = (byFirst.get(text[at]!) ?? []).filter((token) =>
      token.equals(text.subarray(at, at + token.length)),
    );
    return here.reduce((longest, { length }) => Math.max(longest, length), 0);
  };
}
