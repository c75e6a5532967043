import { describe, expect, it } from 'vitest';
import { closest, suggestion } from '../../../src/model/closest';
import { processorTime } from '../../support/processorTime';

const tensors = [
  'model.embed_tokens.weight',
  'model.layers.0.self_attn.q_proj.weight',
  'model.layers.0.self_attn.k_proj.weight',
  'lm_head.weight',
];

describe('closest', () => {
  it.each([
    ['q4_km', ['Q4_0', 'Q4_K', 'Q4_K_M'], 'Q4_K_M'],
    ['Q4K', ['Q4_0', 'Q4_K', 'Q4_K_M'], 'Q4_K'],
    ['quantise', ['inspect', 'quantize', 'stats'], 'quantize'],
    ['model.layers.0.self_attn.qproj.weight', tensors, 'model.layers.0.self_attn.q_proj.weight'],
    ['model.layers.0.self_atn.k_proj.weigth', tensors, 'model.layers.0.self_attn.k_proj.weight'],
    ['lm_head', tensors, undefined],
    ['blk.0.attn_q.weight', tensors, undefined],
    ['x', ['inspect'], undefined],
    ['', ['inspect'], undefined],
    ['anything', [], undefined],
  ])('of %j is among %j: %j', (name, candidates, expected) => {
    expect(closest(name, candidates)).toBe(expected);
  });

  it('answers quickly among a million names', () => {
    const many = Array.from(
      { length: 1_000_000 },
      (_, i) => `model.layers.${i}.mlp.experts.${i % 64}.down_proj.weight`,
    );
    const spent = processorTime();
    expect(closest('model.layers.7.mlp.experts.7.downproj.weight', many)).toBe(many[7]);
    expect(closest('model.layers.7.mlp.experts.9.dwn_proj.weight', many)).toBe(many[7]);
    expect(spent()).toBeLessThan(10_000);
  });

  it('is phrased as a question', () => {
    expect(suggestion('Q4K', ['Q4_K'])).toBe(' Did you mean "Q4_K"?');
    expect(suggestion('?', ['Q4_K'])).toBe('');
  });

  it('is of all names that have the given one among their words', () => {
    const recipes = ['bnb-int8', 'bnb-nf4', 'bnb-nf4-dq', 'gptq-int4-g128', 'torchao-int4wo'];
    expect(suggestion('nf4', recipes)).toBe(' Did you mean "bnb-nf4" or "bnb-nf4-dq"?');
    expect(suggestion('BNB', recipes)).toBe(' Did you mean "bnb-int8", "bnb-nf4" or "bnb-nf4-dq"?');
    expect(suggestion('int4', recipes)).toBe(' Did you mean "gptq-int4-g128"?');
    expect(suggestion('lm_head', tensors)).toBe(' Did you mean "lm_head.weight"?');
    expect(suggestion('text', ['--context'])).toBe('');
    const layers = Array.from({ length: 9 }, (_, i) => `model.layers.${i}.mlp.down_proj.weight`);
    expect(suggestion('down_proj', layers)).toBe('');
    expect(suggestion('down_proj', layers.slice(1))).toMatch(/^ Did you mean ("model[^"]+",? ){7}or "model/);
  });
});
