import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { fixture, temporaryFolder } from '../support/files';
import { hasOracle, llamaCpp } from '../support/llamaCpp';
import { differing, ownIds, tokenizerFolder, tokenizerGguf } from '../support/tokenizerFile';
import { mixedLines } from '../support/tokenizerLines';

const root = temporaryFolder();
const lines = mixedLines();
const ranks = readFileSync(fixture('tokenizers', 'ranks.tiktoken'));
const stored = JSON.parse(readFileSync(fixture('tokenizers', 'ranks.ids.json'), 'utf8')) as Record<
  string,
  Record<number, number[]>
>;
/** What tiktoken gives with a pattern; stored where it differs from that of Llama 3. */
const reference = (name: string): number[][] =>
  lines.map((_, i) => stored[name]![i] ?? stored['llama3']![i]!);

const upper = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
const before = '[^\\r\\n\\p{L}\\p{N}]?';
const pattern = `${before}${upper}*${lower}+|${before}${upper}+${lower}*|\\p{N}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`;

/** The ranks as Mistral stores them, and one too many for the size of the vocabulary. */
function tekken(): object {
  const vocab = [...ranks.toString().trim().split('\n'), 'enp6enp6 700'].map((line, rank) => ({
    ...{ rank, token_bytes: line.split(' ')[0], token_str: null },
  }));
  const config = { pattern, num_vocab_tokens: 701, default_vocab_size: 730, default_num_special_tokens: 30 };
  return { config, vocab };
}

const classes = (name: string) => ({ tokenizer_class: name });

describe.skipIf(!hasOracle)('files of ranks in llama.cpp and here', () => {
  it.each([
    {
      ...{ name: 'llama3', pre: 'llama-bpe', rows: 956, first: 0, bos: 700 },
      files: { 'tokenizer.model': ranks, 'tokenizer_config.json': classes('LlamaTokenizerFast') },
    },
    {
      ...{ name: 'qwen', pre: 'qwen2', rows: 908, first: 0, bos: 700 },
      files: { 'qwen.tiktoken': ranks, 'tokenizer_config.json': classes('QWenTokenizer') },
    },
    {
      ...{ name: 'kimi', pre: 'kimi-k2', rows: 956, first: 0, bos: undefined },
      files: { 'tiktoken.model': ranks, 'tokenizer_config.json': classes('TikTokenTokenizer') },
    },
    {
      ...{ name: 'tekken', pre: 'tekken', rows: 730, first: 30, bos: 1 },
      files: { 'tekken.json': tekken() },
    },
  ])('give the ids of tiktoken: $name', async ({ name, pre, rows, first, bos, files }) => {
    const { gguf, pairs } = await tokenizerGguf(tokenizerFolder(join(root, name), files), rows);
    const value = (key: string) =>
      pairs.flatMap((pair) =>
        pair.key === `tokenizer.ggml.${key}` && 'value' in pair ? [pair.value] : [],
      )[0];
    expect([value('pre'), value('bos_token_id')]).toEqual([pre, bos]);
    const { tokens } = await llamaCpp('tokenize', { model: gguf, lines });
    expect(differing(lines, await ownIds(gguf, lines), tokens)).toEqual([]);
    const ids = reference(name).map((list) => list.map((id) => id + first));
    expect(differing(lines, ids, tokens)).toEqual([]);
  });
});
