import { describe, expect, it } from 'vitest';
import { compileRules, parseTensorTypes, printTensorTypes } from '../../../../src/exporter/plan/tensorTypes';

const file = 'ffn_down=q6_K  blk\\.[0-3]\\.attn_v=Q8_0\n\n\toutput=f16\r\n';

describe('tensor-type rules', () => {
  it('are separated by white space, with types in any case', () => {
    expect(parseTensorTypes(file)).toEqual([
      { pattern: 'ffn_down', type: 'Q6_K' },
      { pattern: 'blk\\.[0-3]\\.attn_v', type: 'Q8_0' },
      { pattern: 'output', type: 'F16' },
    ]);
    expect(parseTensorTypes(' \n')).toEqual([]);
  });

  it('are the same when they are printed and read again', () => {
    const rules = parseTensorTypes(file);
    expect(parseTensorTypes(printTensorTypes(rules))).toEqual(rules);
  });

  it.each([
    ['no type', 'attn_q', /PATTERN=TYPE/],
    ['an empty type', 'attn_q=', /PATTERN=TYPE/],
    ['an empty pattern', '=Q4_K', /PATTERN=TYPE/],
    ['a type that is none', 'attn_q=Q4_K_M', /"Q4_K_M" is not a valid tensor type.*Q4_K/],
    ['a pattern that is none', 'attn_(q=Q4_K', /attn_\(q.* not a regular expression/],
  ])('reject %s', (_, text, message) => {
    expect(() => parseTensorTypes(text, 'rules.txt')).toThrow(message);
  });

  it('have the POSIX classes of llama.cpp', () => {
    const [rule] = compileRules([{ pattern: 'blk\\.[[:digit:]]\\.ffn_[[:alpha:]]+\\.', type: 'Q6_K' }]);
    expect(rule?.regex.test('blk.7.ffn_down.weight')).toBe(true);
    expect(rule?.regex.test('blk.17.ffn_down.weight')).toBe(false);
    expect(rule?.regex.test('blk.7.ffn_down_exps.weight')).toBe(false);
    expect(() => compileRules([{ pattern: '[[:number:]]', type: 'Q6_K' }])).toThrow(
      /"\[\[:number:\]\]" of a tensor-type rule .*\[:number:\] is not a character class/,
    );
  });

  it('are searched anywhere in a name, lower-cased', () => {
    const [rule] = compileRules([{ pattern: 'ATTN_[QK]\\.', type: 'q8_0' }]);
    expect(rule).toMatchObject({ type: 'Q8_0' });
    expect(rule?.regex.test('blk.3.attn_k.weight')).toBe(true);
    expect(rule?.regex.test('blk.3.attn_qkv.weight')).toBe(false);
  });
});
