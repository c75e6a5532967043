import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { gemmaCheckpoints } from '../../../support/gemmaCheckpoints';
import { convertedSpec, describedTensors } from '../../../support/descriptionParts';
import { keyValuesOf, shapesOf } from '../support';

const specs = {
  sharing: gemmaCheckpoints['gemma4']!,
  equal: gemmaCheckpoints['gemma4 whose values are keys']!,
  mixture: gemmaCheckpoints['gemma4 with experts']!,
};

const convert = (change: object = {}, spec = specs.sharing) =>
  convertedSpec({ ...spec, config: { ...spec.config, ...change } });

const inBlock = (converted: ReturnType<typeof convert>, block: number): string[] =>
  Object.keys(shapesOf(converted)).flatMap((name) =>
    name.startsWith(`blk.${block}.`) ? [name.slice(`blk.${block}.`.length)] : [],
  );

describe('gemma4 conversion', () => {
  it('states what differs between layers', () => {
    expect(keyValuesOf(convert())).toEqual({
      'gemma4.context_length': 256,
      'gemma4.embedding_length': 64,
      'gemma4.block_count': 6,
      'gemma4.feed_forward_length': [96, 96, 96, 192, 192, 192],
      'gemma4.attention.head_count': 4,
      'gemma4.attention.head_count_kv': 2,
      'gemma4.attention.key_length': 32,
      'gemma4.attention.value_length': 32,
      'gemma4.attention.key_length_swa': 16,
      'gemma4.attention.value_length_swa': 16,
      'gemma4.rope.dimension_count': 32,
      'gemma4.rope.dimension_count_swa': 16,
      'gemma4.rope.freq_base': 1e6,
      'gemma4.rope.freq_base_swa': 1e4,
      'gemma4.attention.layer_norm_rms_epsilon': 1e-6,
      'gemma4.attention.sliding_window': 16,
      'gemma4.attention.sliding_window_pattern': [true, true, false, true, true, false],
      'gemma4.attention.shared_kv_layers': 3,
      'gemma4.embedding_length_per_layer_input': 32,
      'gemma4.final_logit_softcapping': 30,
    });
    expect(keyValuesOf(convert({}, specs.equal))['gemma4.attention.head_count_kv']).toEqual([2, 2, 2, 1]);
    expect(keyValuesOf(convert({}, specs.mixture))).toMatchObject({
      'gemma4.expert_count': 4,
      'gemma4.expert_used_count': 2,
      'gemma4.expert_feed_forward_length': 32,
      'gemma4.embedding_length_per_layer_input': 0,
    });
  });

  it('rotates a share of the pairs of heads without a window', () => {
    const divisors = (share: object) => {
      const full = { rope_type: 'proportional', rope_theta: 1_000_000, ...share };
      const sliding = { rope_type: 'default', rope_theta: 10_000 };
      return convert({ rope_parameters: { full_attention: full, sliding_attention: sliding } }).computed[0];
    };
    const beyond = Math.fround(1e30);
    expect([...divisors({ partial_rotary_factor: 0.25 })!.values]).toEqual([
      ...Array.from({ length: 4 }, () => 1),
      ...Array.from({ length: 12 }, () => beyond),
    ]);
    expect([...divisors({ factor: 8 })!.values]).toEqual(Array.from({ length: 16 }, () => 8));
    expect(convert({ rope_parameters: undefined }).computed[0]!.values[4]).toBe(beyond);
  });

  it('has no matrices where layers take keys and values of others, or values are keys', () => {
    expect(inBlock(convert(), 2)).toContain('attn_k.weight');
    expect(inBlock(convert(), 3).filter((name) => /attn_(k|v)/.test(name))).toEqual([]);
    expect(inBlock(convert({}, specs.equal), 3).filter((name) => /attn_(k|v)/.test(name))).toEqual([
      'attn_k.weight',
      'attn_k_norm.weight',
    ]);
  });

  it('leaves out matrices that no layer uses, and says so', () => {
    const unused = { 'model.layers.4.self_attn.k_proj.weight': [32, 64] };
    const { notes } = convertCheckpoint(
      describedTensors({ shapes: { ...specs.sharing.shapes, ...unused } }),
      specs.sharing.config,
      'config.json',
    );
    expect(notes).toEqual([
      'The unused projection of keys and values of layers that share those of others is left out: "model.layers.4.self_attn.k_proj.weight".',
    ]);
  });

  it.each([
    [{ use_bidirectional_attention: 'all' }, /use_bidirectional_attention/],
    [{ per_layer_config: { 2: { head_dim: 64 } } }, /per_layer_config/],
    [{ num_kv_shared_layers: 2 }, /needs one with a sliding window and then one without/],
    [{ rope_parameters: { full_attention: { rope_type: 'proportional' } } }, /lack those of one kind/],
    [
      { rope_parameters: { full_attention: { rope_type: 'yarn' }, sliding_attention: {} } },
      /type "yarn".*proportional/,
    ],
    [
      {
        rope_parameters: {
          full_attention: { rope_type: 'proportional' },
          sliding_attention: { rope_type: 'linear', factor: 2 },
        },
      },
      /sliding window have a rope scaling/,
    ],
    [{ hidden_activation: 'silu' }, /hidden_activation/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
