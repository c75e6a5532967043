import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { deepseekLetters } from '../../../src/tokenizer/preTokenizerPatterns';
import { unreachable } from '../../../src/tokenizer/reachable';
import { preTokenizerName } from '../../../src/tokenizer/preTokenizers';
import { hasSharedData, sharedData } from '../../support/files';

const words = { type: 'ByteLevel', add_prefix_space: false, use_regex: true };
const cut = (pattern: string) => ({
  type: 'Split',
  pattern: { Regex: pattern },
  behavior: 'Isolated',
  invert: false,
});
const sequence = (...pretokenizers: object[]) => ({ type: 'Sequence', pretokenizers });
const mapped = { type: 'ByteLevel', add_prefix_space: false, use_regex: false };
const split = (...patterns: string[]) => sequence(...patterns.map(cut), mapped);

describe('pre-tokenizers', () => {
  const llama3 =
    "(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\\r\\n\\p{L}\\p{N}]?\\p{L}+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";

  it('recognises those of GPT-2, Llama 3, Qwen 2 and SmolLM', () => {
    expect(preTokenizerName(words, '')).toBe('gpt-2');
    // llama.cpp takes words that are tokens whole under the one name, and merges them under the other.
    expect(preTokenizerName(split(llama3), '', true)).toBe('llama-bpe');
    expect(preTokenizerName(split(llama3), '')).toBe('dbrx');
    expect(preTokenizerName(split(llama3.replace('{1,3}', '')), '')).toBe('qwen2');
    const smollm = {
      type: 'Sequence',
      pretokenizers: [{ type: 'Digits', individual_digits: true }, words],
    };
    expect(preTokenizerName(smollm, '')).toBe('smollm');
  });

  it('recognises a definition whatever way it is written, as patterns or as steps', () => {
    const other =
      "'(?i:[sdmt]|ll|ve|re)|[^\\p{N}\\p{L}\\r\\n]?+[\\p{L}]+|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]++[\\n\\r]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+";
    expect(preTokenizerName(split(other), '', true)).toBe('llama-bpe');
    const gpt2 = "'(?:[sdmt]|ll|ve|re)| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";
    expect(preTokenizerName(split('\\p{N}', gpt2), '')).toBe('smollm');
    expect(preTokenizerName(sequence(sequence(cut(gpt2)), mapped), '')).toBe('gpt-2');
    // One line break instead of many is another definition.
    expect(() => preTokenizerName(split(other.replace('[\\r\\n]+|', '[\\r\\n]|')), '')).toThrow(
      /cannot be exported/,
    );
  });

  it.skipIf(!hasSharedData)('recognises a real tokenizer.json of Llama 3 and of OPT', () => {
    const definition = (name: string): unknown => {
      const text = readFileSync(join(sharedData, 'tokenizers', name), 'utf8');
      return (JSON.parse(text) as Record<string, unknown>)['pre_tokenizer'];
    };
    expect(preTokenizerName(definition('ollama-mini_llama.json'), '', true)).toBe('llama-bpe');
    expect(preTokenizerName(definition('opt125m-tokenizer.json'), '')).toBe('gpt-2');
  });

  it('reads line breaks as escapes and as characters, which DeepSeek V3 has', () => {
    const patterns = [
      '\\p{N}{1,3}',
      '[\u4e00-\u9fa5\u3040-\u309f\u30a0-\u30ff]+',
      '[!"#$%&\'()*+,\\-./:;<=>?@\\[\\\\\\]^_`{|}~][A-Za-z]+|[^\r\n\\p{L}\\p{P}\\p{S}]?[\\p{L}\\p{M}]+| ?[\\p{P}\\p{S}]+[\r\n]*|\\s*[\r\n]+|\\s+(?!\\S)|\\s+',
    ];
    const escaped = patterns.map((pattern) => pattern.replaceAll('\r', '\\r').replaceAll('\n', '\\n'));
    expect(escaped[2]).not.toBe(patterns[2]);
    expect(preTokenizerName(split(...patterns), '')).toBe('deepseek-v3');
    expect(preTokenizerName(split(...escaped), '')).toBe('deepseek-v3');
  });

  it('tells DeepSeek LLM and V2 from DeepSeek Coder, and neither without its digits', () => {
    const first = `\\s?[${deepseekLetters}]+`;
    const marks = '\\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+';
    const scripts = '[\u4e00-\u9fa5\u0800-\u4e00\uac00-\ud7ff]+';
    const digits = { type: 'Digits', individual_digits: true };
    const named = (patterns: readonly string[], ...steps: object[]): string =>
      preTokenizerName(sequence(...patterns.map(cut), ...steps, mapped), '');
    const general = ['[\r\n]', first, marks, '\\s+$', scripts];
    expect(named(general, digits)).toBe('deepseek-llm');
    expect(named(['[\r\n]', '\\s?\\p{L}+', '\\s?\\p{P}+', scripts], digits)).toBe('deepseek-coder');
    expect(() => named(general)).toThrow(/cannot be exported; the supported ones/);
    expect(() => named(general, { ...digits, individual_digits: false })).toThrow(/digits, bytes/);
  });

  it('rejects Tekken where words that are tokens are merged', () => {
    const either = '[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]';
    const lower = '[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]';
    const before = '[^\\r\\n\\p{L}\\p{N}]?';
    const rest = '| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+';
    const tekken = split(`${before}${either}*${lower}+|${before}${either}+${lower}*|\\p{N}${rest}`);
    expect(preTokenizerName(tekken, '', true)).toBe('tekken');
    expect(() => preTokenizerName(tekken, '')).toThrow(/keeps words that are tokens whole/);
    // Where merging leads to every token, that changes nothing.
    const vocab = new Map(['a', 'b', 'c', 'bc', 'abc', '[INST]'].map((text, id) => [text, id]));
    const merges = (...pairs: [string, string][]) => unreachable({ vocab, merges: pairs }, new Set([5]), '');
    expect(merges(['b', 'c'], ['a', 'bc'])).toBeUndefined();
    expect(merges(['a', 'b'], ['b', 'c'], ['a', 'bc'])).toBe('abc');
    // A token that is not found in texts before they are cut has to be reached, too.
    expect(
      unreachable(
        {
          vocab,
          merges: [
            ['b', 'c'],
            ['a', 'bc'],
          ],
        },
        new Set(),
        '',
      ),
    ).toBe('[INST]');
    expect(preTokenizerName(tekken, '', false, () => undefined)).toBe('tekken');
    expect(() => preTokenizerName(tekken, '', false, () => 'abc')).toThrow(
      /does not make "abc" of its letters/,
    );
  });

  it('names the definition that it does not know', () => {
    expect(() => preTokenizerName(split('\\w+|\\W+'), '')).toThrow(
      'The pre-tokenizer (split \\w+|\\W+, bytes) cannot be exported',
    );
    const spaced = { ...words, add_prefix_space: true };
    expect(() => preTokenizerName(spaced, '')).toThrow(
      'The pre-tokenizer (space before the text, words, bytes) cannot be exported',
    );
  });
});
