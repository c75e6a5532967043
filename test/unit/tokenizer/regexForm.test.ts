import { describe, expect, it } from 'vitest';
import { regexForm } from '../../../src/tokenizer/regexForm';

describe('the form of a regular expression', () => {
  it.each([
    ['line breaks', '[^\r\n]+', '[^\\r\\n]+'],
    ['the order in a class', '[^\\s\\p{L}\\p{N}]', '[^\\p{N}\\p{L}\\s]'],
    ['a class of one', '[\\p{L}][a]', '\\p{L}a'],
    ['names of properties', '\\pL\\p{Number}', '\\p{L}\\p{N}'],
    ['code points', '[\\u4E00-\\u9FA5]\\x{41}', '[一-龥]A'],
    ['groups', '(?:a)((b|c))+', 'a(?:b|c)+'],
    ['counts', 'a{1}b{0,1}c{1,}d{0,}', 'ab?c+d*'],
    ['contractions', "(?i:'s|'t|'re|'ve|'m|'ll|'d)|x", "'(?i:[sdmt]|ll|ve|re)|x"],
    ['letters in either case', "(?i:'s|'ve|'d)", "'[sS]|'(?:[vV][eE]|[Dd])"],
    ['an optional contraction', "a(?i:'s|'t)?", "a(?:'[Tt]|'[Ss])?"],
    ['quantifiers that give nothing back', '[^\\s\\p{L}]++\\p{L}+|b?+', '[^\\s\\p{L}]+\\p{L}+|b?'],
    ['escapes that are not needed', '[\\[\\.\\/]\\!', '[./[]!'],
  ])('is the same for two ways to write %s', (_, one, other) => {
    expect(regexForm(one)).toBe(regexForm(other));
  });

  it.each([
    ['\\s++(?!\\S)', '\\s+(?!\\S)'],
    ['[0-9][0-9]', '0-9'],
    ['[^a]', 'a'],
    ['a|ab', 'ab|a'],
    ['\\p{L}|x', 'x|\\p{L}'],
    ["(?i:'s)", "'s"],
    ['a+?', 'a+'],
    ['(?=a)b', '(?:a)b'],
    ['\\s*[\\r\\n]', '\\s*[\\r\\n]+'],
    ['\\.', '.'],
    ['\\d', '\\p{N}'],
  ])('tells %s from %s', (one, other) => {
    expect(regexForm(one)).not.toBe(regexForm(other));
  });

  it('is the expression itself where that is not understood', () => {
    for (const strange of ['(', 'a)', '[a', '(?<name>a)', 'a{x}', '\\1', '+', '(?i)a'])
      expect(regexForm(strange)).toBe(strange);
  });

  it('of hostile expressions takes no time and no deep stack', () => {
    const nested = `${'('.repeat(100_000)}a${')'.repeat(100_000)}`;
    expect(regexForm(nested)).toBe(nested);
    const product = '(?:a|b)'.repeat(1000);
    expect(regexForm(product)).toHaveLength(product.length);
  });
});
