import { describe, expect, it } from 'vitest';
import { ggmlPreTokenizers } from '../../../src/evaluation/tokenizer/ggmlPreTokenizers';
import { pairValues, tokenizerValues } from '../../../src/evaluation/tokenizer/ggufValues';
import { mergesOfScores } from '../../../src/evaluation/tokenizer/mergesOfScores';
import { publishedPreTokenizers } from '../../../src/tokenizer/preTokenizerPatterns';
import type { KeyValue } from '../../../src/model/keyValue';

type Value = string | number | boolean | readonly string[] | readonly number[];

/** Key-values `tokenizer.ggml.*`, by the rest of their keys. */
function read(values: Readonly<Record<string, Value>>) {
  const pairs = Object.entries(values).map(([name, value]): KeyValue => {
    const key = `tokenizer.ggml.${name}`;
    if (typeof value === 'string') return { key, type: 'string', value };
    if (typeof value === 'number') return { key, type: 'u32', value };
    if (typeof value === 'boolean') return { key, type: 'bool', value };
    return {
      key,
      type: 'array',
      elementType: typeof value[0] === 'string' ? 'string' : 'f32',
      values: value,
    };
  });
  return tokenizerValues(pairValues(pairs, 'model.gguf'));
}

const spm = {
  model: 'llama',
  tokens: ['<unk>', '<s>', '</s>', 'a'],
  scores: [0, 0, 0, -1],
  token_type: [2, 3, 3, 1],
};
const bpe = { model: 'gpt2', pre: 'gpt-2', tokens: ['a', 'b', 'ab'], merges: ['a b'] };

describe('tokenizers of key-values', () => {
  it('have llama.cpp’s defaults where a SentencePiece file does not say', async () => {
    expect(await read(spm)).toMatchObject({
      bos: 1,
      eos: 2,
      addsBos: true,
      addsEos: false,
      addSpacePrefix: true,
    });
    const said = { bos_token_id: 3, add_bos_token: false, add_eos_token: true, add_space_prefix: false };
    expect(await read({ ...spm, ...said })).toMatchObject({
      ...{ bos: 3, eos: 2, addsBos: false, addsEos: true, addSpacePrefix: false },
    });
  });

  it('add BOS under the names of pre-tokenizers whose models want it', async () => {
    expect(await read(bpe)).toMatchObject({ addsBos: false, types: [1, 1, 1] });
    expect(await read({ ...bpe, pre: 'llama-bpe', bos_token_id: 0 })).toMatchObject({
      bos: 0,
      addsBos: true,
    });
  });

  it('have no SentencePiece token that is too long to search for merges in time', async () => {
    const tokens = ['<unk>', '<s>', '</s>', 'a'.repeat(100_000)];
    await expect(read({ ...spm, tokens })).rejects.toThrow(/a token of 100000 characters at 3; at most 4096/);
  });

  it('treat an id beyond the vocabulary as absent', async () => {
    expect(await read({ ...bpe, bos_token_id: 3 })).not.toHaveProperty('bos');
  });

  it.each([
    [
      { model: 'rwkv' },
      'UNSUPPORTED',
      'tokenizer.ggml.model is "rwkv"; only tokenizers of the kinds "gpt2", "llama", "gemma4", "t5", "bert" can be run.',
    ],
    [{ model: 'plamo2' }, 'UNSUPPORTED', 'tokenizer.ggml.model is "plamo2"'],
    [{ model: 'rwkv' }, 'UNSUPPORTED', 'tokenizer.ggml.model is "rwkv"'],
    [{}, 'REQUEST', 'The file has no tokenizer (tokenizer.ggml.model).'],
    [{ ...bpe, pre: 'new' }, 'UNSUPPORTED', 'tokenizer.ggml.pre is "new"; this pre-tokenizer is not known'],
    [{ model: 'llama' }, 'MODEL_FILE', 'tokenizer.ggml.tokens is missing or not an array.'],
    [
      { ...bpe, tokens: ['a', 'b', 'a'] },
      'MODEL_FILE',
      'tokenizer.ggml.tokens has "a" twice, as 0 and as 2.',
    ],
    [{ ...bpe, tokens: [1, 2] }, 'MODEL_FILE', 'tokenizer.ggml.tokens has 1 at 0, which is not text.'],
    [{ ...bpe, merges: 'a b' }, 'MODEL_FILE', 'tokenizer.ggml.merges is missing or not an array.'],
    [{ ...spm, scores: [0, 0] }, 'MODEL_FILE', 'tokenizer.ggml.scores has 2 values for 4 tokens.'],
    [
      { ...spm, scores: [0, 0, 0, NaN] },
      'MODEL_FILE',
      'tokenizer.ggml.scores has NaN at 3, which is not a number.',
    ],
    [
      { ...bpe, add_bos_token: true },
      'MODEL_FILE',
      'tokenizer.ggml.bos_token_id does not name a token, which tokenizer.ggml.add_bos_token requires.',
    ],
  ])('reject %j', async (values, code, message) => {
    const error: unknown = await read(values as Record<string, Value>).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code, place: { file: 'model.gguf' } });
    expect((error as Error).message).toContain(message);
  });

  it('know all names of pre-tokenizers that an export writes', () => {
    const written = [...publishedPreTokenizers.keys(), 'dbrx'];
    expect(written.filter((name) => !ggmlPreTokenizers.has(name))).toEqual([]);
  });
});

describe('merges of scores', () => {
  it('are all divisions of a token into two, tokens by falling score, single characters known or not', () => {
    const tokens = ['a', 'b', 'ab', 'abx', 'bx', 'éab'];
    expect(mergesOfScores(tokens, [0, 0, -3, -1, -2, -4])).toEqual([
      ...[
        ['a', 'bx'],
        ['ab', 'x'],
      ],
      ['b', 'x'],
      ['a', 'b'],
      ['é', 'ab'],
    ]);
  });
});
