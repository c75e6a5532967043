import { describe, expect, it } from 'vitest';
import {
  compileRules,
  parseTensorTypes,
  printTensorTypes,
  TensorTypeRules,
} from '../../../../src/exporter/plan/tensorTypes';

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

  it('apply in their order; those that match no name are known', () => {
    const rules = new TensorTypeRules(
      ['^a', 'b$', 'a', 'c'].map((pattern) => ({ pattern, type: 'Q8_0' })),
      ['ab', 'b', 'ba'],
    );
    expect(['ab', 'b', 'ba', 'c'].map((name) => rules.of(name)?.pattern)).toEqual([
      ...['^a', 'b$', 'a', undefined],
    ]);
    expect(rules.idle.map(({ pattern }) => pattern)).toEqual(['c']);
  });

  it('end with an error where one backtracks without end', () => {
    const name = `blk.0.${'a'.repeat(60)}`;
    const rules = [
      { pattern: 'blk', type: 'Q8_0' },
      { pattern: '(a|a)*b$', type: 'Q8_0' },
    ];
    expect(() => new TensorTypeRules(rules, [name], 200)).toThrow(
      expect.objectContaining({
        code: 'REQUEST',
        message: `The patterns of the tensor-type rules take longer than 0.2 seconds: (a|a)*b$ on "${name}" tries too many ways to match.`,
      }) as Error,
    );
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
