import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { readTokenizer } from '../../../src/tokenizer/readTokenizer';
import { temporaryFolder } from '../../support/files';
import { tokenizerFolder } from '../../support/tokenizerFile';

const root = temporaryFolder();
let folders = 0;

async function read(
  files: Readonly<Record<string, unknown>>,
  rows: number,
): Promise<Record<string, unknown>> {
  const { keyValues } = await readTokenizer(tokenizerFolder(join(root, String(folders++)), files), {}, rows);
  const values = keyValues.map((pair) => [
    pair.key.replace('tokenizer.ggml.', ''),
    'values' in pair ? pair.values : 'value' in pair && pair.value,
  ]);
  return Object.fromEntries(values) as Record<string, unknown>;
}

const base64 = (text: string): string => Buffer.from(text).toString('base64');
const texts = [' ', 'a', 'b', 'ab', 'aba', ' a'];
const list = texts.map((text, rank) => `${base64(text)} ${rank}\n`).join('');
const pattern =
  '[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]*[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]+|[^\\r\\n\\p{L}\\p{N}]?[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]+[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
const tekken = {
  config: { pattern, default_vocab_size: 10, default_num_special_tokens: 5 },
  vocab: texts.map((text, rank) => ({ rank, token_bytes: base64(text) })),
};

describe('tekken.json', () => {
  it('has special tokens first, then as many by rank as the vocabulary has room for', async () => {
    const special_tokens = [
      { rank: 0, token_str: '<unk>', is_control: true },
      { rank: 1, token_str: '<s>', is_control: true },
      { rank: 2, token_str: '</s>', is_control: true },
      { rank: 3, token_str: '[TOOL]', is_control: false },
    ];
    expect(await read({ 'tekken.json': { ...tekken, special_tokens } }, 10)).toMatchObject({
      ...{ model: 'gpt2', pre: 'tekken', add_bos_token: true, add_eos_token: false },
      tokens: ['<unk>', '<s>', '</s>', '[TOOL]', '<SPECIAL_4>', 'Ġ', 'a', 'b', 'ab', 'aba'],
      token_type: [3, 3, 3, 4, 3, 1, 1, 1, 1, 1],
      merges: ['a b', 'ab a'],
      ...{ bos_token_id: 1, eos_token_id: 2, unknown_token_id: 0 },
    });
  });

  it('of early versions has Mistral’s special tokens', async () => {
    const config = { ...tekken.config, default_vocab_size: 26, default_num_special_tokens: 20 };
    const values = await read({ 'tekken.json': { ...tekken, config } }, 26);
    expect((values['tokens'] as string[]).slice(9, 12)).toEqual(['[TOOL_CALLS]', '[IMG]', '<pad>']);
    expect(values['padding_token_id']).toBe(11);
    expect(values['merges']).toEqual(['a b', 'ab a', 'Ġ a']);
  });

  it.each([
    [{ config: {} }, /lacks its "vocab", or "pattern"/],
    [
      { vocab: [{ rank: 1, token_bytes: 'YQ==' }] },
      'Entry 0 of the vocabulary is {"rank":1,"token_bytes":"YQ=="}',
    ],
    [
      { special_tokens: [{ rank: 5, token_str: 'x' }] },
      /"x".* has no text, or no rank below 5.*tekken\.json/,
    ],
    [
      { special_tokens: [], config: { ...tekken.config, pattern: '\\S+' } },
      /pre-tokenizer \(split \\S\+, bytes\).*tekken\.json/,
    ],
  ])('is rejected where it is damaged or cuts words in an unknown way: %j', async (change, message) => {
    await expect(read({ 'tekken.json': { ...tekken, ...change } }, 10)).rejects.toThrow(message);
  });

  it('is not read where there is a tokenizer.json', async () => {
    const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };
    const files = {
      'tekken.json': tekken,
      'tokenizer.json': { pre_tokenizer: { type: 'ByteLevel' }, model },
    };
    expect((await read(files, 3))['pre']).toBe('gpt-2');
  });
});

describe('a list of ranks', () => {
  const config = (name: string, more: object = {}) => ({ tokenizer_class: name, ...more });

  it('has the special tokens of its class, under the names of tokenizer_config.json', async () => {
    const added_tokens_decoder = {
      6: { content: '[BOS]', special: true },
      8: { content: '<|im_end|>', special: true },
    };
    const files = {
      'tiktoken.model': list,
      'tokenizer_config.json': config('TikTokenTokenizer', { added_tokens_decoder, bos_token: '[BOS]' }),
    };
    const values = await read(files, 262);
    expect((values['tokens'] as string[]).slice(5, 10)).toEqual([
      'Ġa',
      '[BOS]',
      '<|reserved_token_7|>',
      '<|im_end|>',
      '<|reserved_token_9|>',
    ]);
    expect(values).toMatchObject({ pre: 'kimi-k2', bos_token_id: 6 });
  });

  it('is rejected where its class is not known, or a line is damaged', async () => {
    await expect(read({ 'tokenizer.model': list }, 300)).rejects.toThrow(
      /"tokenizer_class" is missing, so pattern and special tokens .* are those of LlamaTokenizer, .*tokenizer\.model/,
    );
    const other = { 'x.tiktoken': list, 'tokenizer_config.json': config('HYTokenizer') };
    await expect(read(other, 300)).rejects.toThrow(/"tokenizer_class" is "HYTokenizer"/);
    // The general class says nothing of the pattern.
    const general = { 'x.tiktoken': list, 'tokenizer_config.json': config('PreTrainedTokenizerFast') };
    await expect(read(general, 300)).rejects.toThrow(/"tokenizer_class" is "PreTrainedTokenizerFast"/);
    for (const line of ['YQ==', 'YQ== 1', 'Yw== 3', '=== 9']) {
      const files = { 'q.tiktoken': `${list}${line}\n`, 'tokenizer_config.json': config('QWenTokenizer') };
      await expect(read(files, 300), line).rejects.toThrow(
        /Line 7 is ".*", not a token in base64 and its rank, each once/,
      );
    }
  });
});
