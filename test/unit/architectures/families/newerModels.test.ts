import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { newerCheckpoints } from '../../../support/newerCheckpoints';
import { describeTensors, keyValuesOf, shapesOf, shiftedNames } from '../support';

const convert = (name: string, change: object = {}) =>
  convertCheckpoint(
    describeTensors(newerCheckpoints[name]!.shapes, 'BF16'),
    { ...newerCheckpoints[name]!.config, ...change },
    'config.json',
  );

describe('olmo3 conversion', () => {
  it('is written as olmo2 with a window, also as transformers 5 states it', () => {
    const expected = {
      'olmo2.attention.sliding_window': 16,
      'olmo2.rope.scaling.type': 'yarn',
      'olmo2.rope.scaling.factor': 4,
    };
    const converted = convert('olmo3');
    expect(converted.architecture).toBe('olmo2');
    expect(keyValuesOf(converted)).toMatchObject(expected);
    expect(keyValuesOf(convert('olmo3, as transformers 5 writes it'))).toEqual(keyValuesOf(converted));
  });

  it('has the theta of its class where none is stated', () => {
    const converted = convert('olmo3', { rope_theta: undefined });
    expect(keyValuesOf(converted)).toMatchObject({ 'olmo2.rope.freq_base': 500_000 });
  });

  it('takes the older of two scalings, unless it is empty', () => {
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 64, unheard_of: 1 };
    const linear = { rope_type: 'linear', factor: 2 };
    const scaled = (change: object) => convert('minimax-m2', { rope_theta: 20_000, ...change });
    const both = scaled({ rope_scaling: linear, rope_parameters: { ...yarn, rope_theta: 5 } });
    expect(keyValuesOf(both)).toMatchObject({
      ...{
        'minimax-m2.rope.scaling.type': 'linear',
        'minimax-m2.rope.scaling.factor': 2,
        'minimax-m2.rope.freq_base': 20_000,
      },
    });
    expect(both.notes.join(' ')).not.toMatch(/unheard_of/);
    const newer = scaled({ rope_scaling: {}, rope_parameters: { ...linear, factor: 8 } });
    expect(keyValuesOf(newer)).toMatchObject({ 'minimax-m2.rope.scaling.factor': 8 });
  });

  const sliding = (parameters: object) => ({
    rope_parameters: {
      full_attention: { rope_type: 'default', rope_theta: 10_000 },
      sliding_attention: parameters,
    },
  });
  it.each([
    [{ layer_types: Array.from({ length: 4 }, () => 'sliding_attention') }, /all but every 4th/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /other than linear and yarn/],
    [sliding({ rope_type: 'yarn', factor: 4 }), /"rope_parameters.sliding_attention.rope_type" is "yarn"/],
    [sliding({ rope_type: 'default', rope_theta: 5 }), /sliding_attention.rope_theta" is 5/],
  ])('rejects %j', (change, message) => {
    expect(() => convert('olmo3', { rope_theta: undefined, ...change })).toThrow(message);
  });
});

it.each([
  ['olmoe', { norm_topk_prob: true }, /"norm_topk_prob" is true/],
  ['olmoe', { clip_qkv: 8 }, /"clip_qkv" is 8/],
  ['olmoe', { num_key_value_heads: 2 }, /4 heads share 2 keys/],
  ['minimax-m2', { scoring_func: 'softmax' }, /"scoring_func" is "softmax"/],
  ['minimax-m2', { qk_norm_type: 'per_head' }, /"qk_norm_type"/],
  ['minimax-m2', { shared_intermediate_size: 64 }, /"shared_intermediate_size" is 64/],
  ['minimax-m2', { use_routing_bias: false }, /"use_routing_bias"/],
  ['nemotron', { hidden_act: 'silu' }, /"hidden_act" is "silu"/],
  ['nemotron', { attention_bias: true }, /tensors are missing: .*q_proj\.bias/],
  ['cohere2', { tie_word_embeddings: false }, /output matrix is not the embedding/],
  ['cohere2', { sliding_window_pattern: 2 }, /all but every 4th/],
  ['cohere2', { use_qk_norm: true }, /"use_qk_norm" is true/],
  ['cohere2', { rope_scaling: { type: 'linear', factor: 2 } }, /Rope scaling cannot be exported/],
  ['nemotronh', { hybrid_override_pattern: 'M-X-' }, /layers of type "X"/],
  ['nemotronh', { hybrid_override_pattern: 'M-*E' }, /next to ones without/],
  ['nemotronh', { hybrid_override_pattern: undefined }, /the kind of each layer is needed/],
  ['nemotronh', { num_hidden_layers: 5 }, /"num_hidden_layers" is 5/],
  ['nemotronh', { mlp_hidden_act: 'silu' }, /"mlp_hidden_act" is "silu"/],
  ['nemotronh', { time_step_limit: [0, 0.1] }, /limits steps/],
  ['nemotronh with experts', { moe_latent_size: 32 }, /"moe_latent_size" is 32/],
  ['nemotronh with experts', { n_group: 2 }, /"n_group" is 2/],
])('%s: rejects %j', (name, change, message) => {
  expect(() => convert(name, change)).toThrow(message);
});

describe('nemotron conversion', () => {
  it('adds one to the weights of norms and none to their biases', () => {
    const shifted = shiftedNames(convert('nemotron'));
    expect(shifted.filter((name) => !/norm\.weight$/.test(name))).toEqual([]);
    expect(shifted).toHaveLength(5);
    expect(shapesOf(convert('nemotron'))).toMatchObject({
      ...{ 'output_norm.bias': [64], 'blk.1.ffn_norm.bias': [64], 'blk.1.ffn_up.weight': [96, 64] },
    });
    expect(keyValuesOf(convert('nemotron'))).toMatchObject({
      ...{ 'nemotron.rope.dimension_count': 8, 'nemotron.attention.layer_norm_epsilon': 1e-5 },
    });
  });
});

it('cohere2 has a window in all layers but every fourth, stated by its size alone', () => {
  expect(keyValuesOf(convert('cohere2'))).toMatchObject({
    ...{ 'cohere2.attention.sliding_window': 16, 'cohere2.logit_scale': 0.5 },
  });
  expect(Object.keys(keyValuesOf(convert('cohere2'))).filter((key) => /pattern/.test(key))).toEqual([]);
});

describe('minimax-m2 conversion', () => {
  it('rotates heads in part, and says how experts are scored', () => {
    expect(keyValuesOf(convert('minimax-m2'))).toMatchObject({
      'minimax-m2.rope.dimension_count': 16,
      'minimax-m2.attention.key_length': 32,
      'minimax-m2.expert_gating_func': 2,
      'minimax-m2.expert_feed_forward_length': 32,
    });
    expect(shapesOf(convert('minimax-m2'))).toMatchObject({
      'blk.1.attn_q_norm.weight': [128],
      'blk.1.attn_k_norm.weight': [64],
      'blk.1.exp_probs_b.bias': [4],
      'blk.1.ffn_down_exps.weight': [4, 64, 32],
    });
  });
});

describe('nemotron_h conversion', () => {
  it('reads older names of keys before newer ones', () => {
    const older = {
      mamba_n_groups: 2,
      mamba_d_conv: 4,
      mamba_conv_bias: true,
      mamba_dt_limit: [0, Infinity],
    };
    const ignored = { n_groups: 64, conv_kernel: 9, mamba_dt_min: 0.001, mamba_chunk_size: 128 };
    const converted = convert('nemotronh', { ...older, ...ignored });
    expect(keyValuesOf(converted)).toEqual(keyValuesOf(convert('nemotronh')));
    expect(converted.notes.join(' ')).not.toMatch(/unknown keys/);
    expect(() => convert('nemotronh', { mamba_conv_bias: false })).toThrow(/"mamba_conv_bias" is false/);
    expect(() => convert('nemotronh', { mamba_dt_limit: [0, 0.1] })).toThrow(/limits steps/);
  });

  it('says by layer what it is', () => {
    const converted = convert('nemotronh');
    expect(converted.architecture).toBe('nemotron_h');
    expect(keyValuesOf(converted)).toMatchObject({
      'nemotron_h.block_count': 4,
      'nemotron_h.feed_forward_length': [0, 96, 0, 96],
      'nemotron_h.attention.head_count_kv': [0, 0, 2, 0],
      'nemotron_h.ssm.group_count': 2,
    });
    expect(Object.keys(shapesOf(converted)).filter((name) => /^blk\.[12]\./.test(name))).toEqual([
      ...['blk.1.attn_norm.weight', 'blk.1.ffn_up.weight', 'blk.1.ffn_down.weight'],
      ...['norm', 'q', 'k', 'v', 'output'].map((part) => `blk.2.attn_${part}.weight`),
    ]);
  });

  it('with experts is another architecture, by a list of names, too', () => {
    const converted = convert('nemotronh with experts');
    expect(converted.architecture).toBe('nemotron_h_moe');
    expect(keyValuesOf(converted)).toMatchObject({
      'nemotron_h_moe.feed_forward_length': [0, 32, 0],
      'nemotron_h_moe.expert_weights_norm': true,
      'nemotron_h_moe.expert_weights_scale': 2.5,
      'nemotron_h_moe.expert_shared_feed_forward_length': 48,
    });
    expect(shapesOf(converted)).toMatchObject({
      'blk.1.ffn_up_exps.weight': [4, 32, 64],
      'blk.1.ffn_up_shexp.weight': [48, 64],
    });
  });
});
