import { describe, expect, it } from 'vitest';
import { pieceTrie } from '../../../src/evaluation/tokenizer/pieceTrie';
import { Random } from '../../support/random';

describe('a trie of pieces', () => {
  it('finds the strings that it was made of, and no others', () => {
    const random = new Random(3);
    const texts = Array.from({ length: 2000 }, () =>
      Buffer.from(
        Array.from({ length: 1 + Math.floor(random.next() * 6) }, () => Math.floor(random.next() * 7) * 40),
      ),
    );
    const indices = new Map(texts.map((text, index) => [text.toString('hex'), index]));
    const trie = pieceTrie(texts, '');
    const find = (text: Uint8Array): number => {
      let node = 0;
      for (const byte of text) if (node >= 0) node = trie.next(node, byte);
      return node < 0 ? -1 : trie.index(node);
    };
    for (const text of texts) expect(find(text)).toBe(indices.get(text.toString('hex')));
    expect(find(Buffer.from([1]))).toBe(-1);
    const longer = texts.map((text) => Buffer.concat([text, Buffer.from([40])]));
    for (const text of longer) expect(find(text)).toBe(indices.get(text.toString('hex')) ?? -1);
  });

  it('has a limit that no published vocabulary reaches', () => {
    const pieces = Array.from({ length: 10 }, () => new Uint8Array(1_000_000));
    expect(() => pieceTrie(pieces, 'model.gguf')).toThrow(
      'The pieces of the vocabulary have 10000000 bytes; at most 8388000 are possible. (model.gguf)',
    );
  });
});
