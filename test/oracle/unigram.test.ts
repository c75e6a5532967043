import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { decodeSentencePiece } from '../../src/tokenizer/sentencePieceModel';
import { charsmapBytes } from '../support/charsmap';
import { fixture, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { differing, ownIds, tokenizerFolder, tokenizerGguf } from '../support/tokenizerFile';
import { mixedLines } from '../support/tokenizerLines';

const root = temporaryFolder();
const file = (name: string): Buffer => readFileSync(fixture('tokenizers', name));
const reference = JSON.parse(file('unigram.ids.json').toString()) as Record<string, number[][]> & {
  more: string[];
};
const lines = [...mixedLines(), ...reference.more];

/** The tokenizer.json that transformers makes of a SentencePiece model. */
function asTokenizerJson(bytes: Uint8Array, steps: object): Record<string, unknown> {
  const { pieces, trainerSpec, normalizerSpec } = decodeSentencePiece(bytes, 'unigram.model');
  const table = Buffer.from(normalizerSpec!.precompiledCharsmap).toString('base64');
  const added = pieces
    .map(({ piece, type }, id) => ({ id, content: piece, special: type !== 4, type }))
    .filter(({ type }) => type !== 1)
    .map(({ id, content, special }) => ({ id, content, special }));
  return {
    added_tokens: added,
    normalizer: { type: 'Precompiled', precompiled_charsmap: table },
    model: {
      type: 'Unigram',
      unk_id: trainerSpec!.unkId,
      vocab: pieces.map(({ piece, score }) => [piece, score]),
    },
    ...steps,
  };
}

const metaspace = { type: 'Metaspace', replacement: '▁', add_prefix_space: true };
const words = { type: 'Sequence', pretokenizers: [{ type: 'WhitespaceSplit' }, metaspace] };

/** Texts that llama.cpp does not cut as SentencePiece does. */
const leftOut: Readonly<Record<string, RegExp>> = {
  // It takes user-defined tokens out first, so that spaces before them are at the end of a text, where they are removed.
  unigram: /isn't|<tool>/,
  // It puts no space before a text that is nothing but spaces.
  'unigram-plain': /^ $/,
};

describe.skipIf(!hasOracle)('Unigram in llama.cpp and here', () => {
  it.each([
    ['unigram', 'spiece.model', (bytes: Uint8Array) => bytes],
    ['unigram-plain', 'tokenizer.model', (bytes: Uint8Array) => bytes],
    ['unigram', 'tokenizer.json', (bytes: Uint8Array) => asTokenizerJson(bytes, { pre_tokenizer: words })],
  ])('gives the ids of SentencePiece with %s as %s', async (name, as, convert) => {
    const folder = tokenizerFolder(join(root, `${name}-${as}`), { [as]: convert(file(`${name}.model`)) });
    const { gguf } = await tokenizerGguf(folder, 900);
    const { tokens } = await llamaCpp('tokenize', { model: gguf, lines });
    expect(differing(lines, await ownIds(gguf, lines), tokens)).toEqual([]);
    const left = differing(lines, reference[name]!, tokens).filter(({ text }) => !leftOut[name]!.test(text));
    expect(left).toEqual([]);
  });

  it('replaces the longest beginning, and takes an unknown character only where nothing else is possible', async () => {
    const rules = { a: 'b', ab: 'cd', abc: '', abcd: 'e', é: 'fg' };
    const table = Buffer.from(charsmapBytes(rules)).toString('base64');
    const pieces = { '<pad>': 0, '</s>': 0, '<unk>': 0, '▁': -2, b: -3, cd: -4, e: -5, fg: -6 };
    // "klm" and an unknown "n" are less likely than "kl" and "mn" by the penalty of unknown characters alone.
    const vocab = Object.entries({ ...pieces, kl: -10, mn: -10, klm: -1 });
    const tokenizer = {
      normalizer: { type: 'Precompiled', precompiled_charsmap: table },
      pre_tokenizer: metaspace,
      added_tokens: ['<pad>', '</s>'].map((content, id) => ({ id, content, special: true })),
      model: { type: 'Unigram', unk_id: 2, vocab },
    };
    const folder = tokenizerFolder(join(root, 'rules'), { 'tokenizer.json': tokenizer });
    const { gguf } = await tokenizerGguf(folder, vocab.length);
    const texts = ['a', 'ab', 'abc', 'abcd', 'abcabé', 'a é', 'klmn', 'zzab'];
    const { tokens } = await llamaCpp('tokenize', { model: gguf, lines: texts });
    expect(await ownIds(gguf, texts)).toEqual(tokens);
    expect(tokens).toEqual([[3, 4], [3, 5], [], [3, 6], [3, 5, 7], [3, 4, 3, 7], [3, 8, 9], [3, 2, 5]]);
  });
});
