import { charsmapOf } from '../../tokenizer/charsmap';
import type { TokenizerValues } from './ggufValues';

/** UTF-8 of "▁", which stands for a space. */
const spaceMark = Buffer.from('▁');
const space = 0x20;

/**
 * How llama.cpp normalizes a text for Unigram: the longest beginning that the table of replacements has is replaced, then spaces
 * become "▁". Where extra spaces are removed, each word begins with one "▁";
 * otherwise each space is one, with another before the first word where the tokenizer wants that.
 */
export function unigramNormalizer(values: TokenizerValues): (text: string) => Buffer {
  const { normalization, addSpacePrefix, file } = values;
  const removes = normalization.removeExtraSpaces === true;
  const charsmap = normalization.charsmap && charsmapOf(normalization.charsmap, file);
  return (text) => {
    const input = Buffer.from(text);
    const output = byteList(2 * input.length + 16);
    let inWord = false;
    let prefixed = false;
    const take = (byte: number): void => {
      const begins = byte !== space && !inWord;
      if (begins ? removes || (addSpacePrefix && !prefixed) : byte === space && !removes)
        for (const part of spaceMark) output.add(part);
      prefixed ||= begins && (removes || addSpacePrefix);
      inWord = byte !== space;
      if (inWord) output.add(byte);
    };
    for (let at = 0; at < input.length;) {
      const replaced = charsmap?.(input, at);
      const end = Math.min(input.length, at + (replaced?.length ?? characterLength(input[at]!)));
      if (replaced) replaced.bytes.forEach(take);
      else for (let i = at; i < end; i++) take(input[i]!);
      at = end;
    }
    return output.all();
  };
}

/** Bytes of which there may be more than expected. */
function byteList(expected: number): { add: (byte: number) => void; all: () => Buffer } {
  let buffer = Buffer.allocUnsafe(expected);
  let length = 0;
  return {
    add: (byte) => {
      if (length === buffer.length) buffer = Buffer.concat([buffer, Buffer.allocUnsafe(length)]);
      buffer[length++] = byte;
    },
    all: () => buffer.subarray(0, length),
  };
}

/** Bytes of the character that begins with this byte of UTF-8. */
export function characterLength(first: number): number {
  if (first < 0xc0) return 1;
  if (first < 0xe0) return 2;
  return first < 0xf0 ? 3 : 4;
}
