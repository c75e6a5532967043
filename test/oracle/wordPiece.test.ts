import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Tokenizer } from '@huggingface/tokenizers';
import { describe, expect, it } from 'vitest';
import { hasSharedData, sharedData, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { differing, ownIds, tokenizerFolder, tokenizerGguf } from '../support/tokenizerFile';
import { mixedLines } from '../support/tokenizerLines';

type Json = Record<string, unknown>;

const root = temporaryFolder();
const lines = mixedLines();
/** The library takes the texts of special tokens for these. */
const special = ['[CLS] [SEP] a [UNK]', '  two  spaces ', 'a\u200bb', 'x~y', 'İÀ Å', ''];
/** Where accents are stripped, llama.cpp drops all marks and all but the first part of a Hangul syllable. */
const strippedDifferently = /\p{Mc}|[\uac00-\ud7a3]/u;

/** BERT's vocabulary, with its special tokens. */
function bert(): { json: Json; vocab: Record<string, number> } {
  const path = join(sharedData, 'model2vec', 'float32', 'tokenizer.json');
  const json = JSON.parse(readFileSync(path, 'utf8')) as Json;
  return { json, vocab: (json['model'] as { vocab: Record<string, number> }).vocab };
}

describe.skipIf(!hasOracle || !hasSharedData)('WordPiece in llama.cpp and here', () => {
  it.each([
    ['lower case', {}, strippedDifferently],
    ['cased', { lowercase: false }, /^$/],
    ['lower case with accents', { strip_accents: false }, /^$/],
  ])('gives the ids of the tokenizer.json: %s', async (name, change, leftOut) => {
    const { json, vocab } = bert();
    const tokenizer = { ...json, normalizer: { ...(json['normalizer'] as Json), ...change } };
    const folder = tokenizerFolder(join(root, name), { 'tokenizer.json': tokenizer });
    const { gguf, notes } = await tokenizerGguf(folder, Object.keys(vocab).length);
    expect(notes).toEqual([]);
    const all = [...lines, ...special];
    const { tokens } = await llamaCpp('tokenize', { model: gguf, lines: all });
    expect(differing(all, await ownIds(gguf, all), tokens)).toEqual([]);
    const reference = new Tokenizer(tokenizer, {});
    const ids = lines.map((line) => reference.encode(line, { add_special_tokens: false }).ids);
    const left = differing(lines, ids, tokens).filter(({ text }) => !leftOut.test(text));
    expect(left).toEqual([]);
    expect(lines.filter((line) => !leftOut.test(line)).length).toBeGreaterThan(100);
  });
});

describe.skipIf(!hasSharedData)('vocab.txt', () => {
  it('makes the same GGUF tokenizer as tokenizer.json', async () => {
    const { json, vocab } = bert();
    const words = Object.entries(vocab)
      .sort(([, a], [, b]) => a - b)
      .map(([word]) => word);
    const one = tokenizerFolder(join(root, 'json'), { 'tokenizer.json': json });
    const other = tokenizerFolder(join(root, 'txt'), { 'vocab.txt': `${words.join('\n')}\n` });
    const made = await tokenizerGguf(one, words.length);
    expect((await tokenizerGguf(other, words.length)).pairs).toEqual(made.pairs);
  });
});
