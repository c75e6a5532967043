import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { hasSharedData } from '../../../support/files';
import { checkpointShapes, describeTensors, keyValuesOf, readListing, shapesOf } from '../support';

const shortFactors = Array.from({ length: 48 }, (_, index) => 1 + index / 100);
const longFactors = Array.from({ length: 48 }, (_, index) => 1 + index);
const longRope = { type: 'longrope', short_factor: shortFactors, long_factor: longFactors };

/** Phi-3-mini-128k-instruct, with simpler factors. */
const config = {
  architectures: ['Phi3ForCausalLM'],
  attention_bias: false,
  hidden_act: 'silu',
  hidden_size: 3072,
  intermediate_size: 8192,
  max_position_embeddings: 131072,
  model_type: 'phi3',
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  original_max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_scaling: longRope,
  rope_theta: 10000.0,
  sliding_window: 262144,
  tie_word_embeddings: false,
};

const outer = {
  'model.embed_tokens.weight': [32064, 3072],
  'model.norm.weight': [3072],
  'lm_head.weight': [32064, 3072],
};
const shapes = checkpointShapes(outer, 'model.layers', 32, {
  'input_layernorm.weight': [3072],
  'mlp.down_proj.weight': [3072, 8192],
  'mlp.gate_up_proj.weight': [16384, 3072],
  'post_attention_layernorm.weight': [3072],
  'self_attn.o_proj.weight': [3072, 3072],
  'self_attn.qkv_proj.weight': [9216, 3072],
});

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('phi3 conversion', () => {
  it.skipIf(!hasSharedData)('names what a real conversion of Phi-3-mini-128k names', () => {
    const listing = readListing('Phi-3-mini-128k-instruct');
    const converted = convert();
    const names = [...Object.keys(shapesOf(converted)), ...converted.computed.map(({ to }) => to)];
    expect(names.sort()).toEqual(listing.tensors);
    const ours = keyValuesOf(converted);
    for (const [key, value] of listing.keyValues)
      expect([key, Math.fround(Number(ours[key]))]).toEqual([key, Math.fround(Number(value))]);
  });

  it('keeps fused matrices whole and writes the factors of LongRoPE', () => {
    const converted = convert();
    expect(shapesOf(converted)).toMatchObject({
      'blk.31.attn_qkv.weight': [9216, 3072],
      'blk.31.ffn_up.weight': [16384, 3072],
    });
    expect(converted.computed.map(({ to, values }) => [to, [...values]])).toEqual([
      ['rope_factors_long.weight', longFactors],
      ['rope_factors_short.weight', [...Float32Array.from(shortFactors)]],
    ]);
  });

  it('reads LongRoPE in every spelling, and the attention factor where it is stated', () => {
    const attention = { 'phi3.rope.scaling.attn_factor': Math.sqrt(1 + Math.log(32) / Math.log(4096)) };
    expect(keyValuesOf(convert({ rope_scaling: { ...longRope, type: 'su' } }))).toMatchObject(attention);
    const rope_parameters = {
      ...longRope,
      type: undefined,
      rope_type: 'longrope',
      rope_theta: 250000,
      original_max_position_embeddings: 4096,
    };
    const change = { rope_scaling: undefined, original_max_position_embeddings: undefined };
    expect(keyValuesOf(convert({ ...change, rope_parameters }))).toMatchObject({
      ...attention,
      'phi3.rope.freq_base': 250000,
      'phi3.rope.scaling.original_context_length': 4096,
    });
    const stated = { rope_scaling: { ...longRope, attention_factor: 1.5 } };
    expect(keyValuesOf(convert(stated))).toMatchObject({ 'phi3.rope.scaling.attn_factor': 1.5 });
  });

  it('has the defaults of the class, and no factors without scaling', () => {
    const { architectures } = config;
    const bare = convertCheckpoint(describeTensors(shapes), { architectures }, 'config.json');
    expect(bare.computed).toEqual([]);
    expect(keyValuesOf(bare)).toEqual({
      'phi3.context_length': 4096,
      'phi3.embedding_length': 3072,
      'phi3.block_count': 32,
      'phi3.feed_forward_length': 8192,
      'phi3.attention.head_count': 32,
      'phi3.attention.head_count_kv': 32,
      'phi3.attention.layer_norm_rms_epsilon': 1e-5,
      'phi3.attention.sliding_window': 0,
      'phi3.rope.dimension_count': 96,
      'phi3.rope.freq_base': 10000,
      'phi3.rope.scaling.original_context_length': 4096,
    });
  });

  it.each([
    [{ rope_scaling: { ...longRope, type: 'yarn' } }, /"yarn" cannot be exported.*longrope/],
    [{ rope_scaling: { ...longRope, short_factor: [1, 2] } }, /short_factor.*48 numbers/],
    [{ rope_scaling: { type: 'longrope' } }, /long_factor.*48 numbers/],
    [{ partial_rotary_factor: 0.75 }, /long_factor.*36 numbers/],
    [{ hidden_act: 'gelu' }, /"gelu".*"silu"/],
    [{ attention_bias: true }, /attention_bias/],
    [{ head_dim: 64 }, /32 heads of size 64 do not add up to the hidden size 3072/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
