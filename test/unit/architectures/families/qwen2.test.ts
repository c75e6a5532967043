import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { hasSharedData } from '../../../support/files';
import { checkpointShapes, describeTensors, keyValuesOf, readListing, shapesOf } from '../support';

/** Qwen2.5-0.5B-Instruct. */
const config = {
  architectures: ['Qwen2ForCausalLM'],
  hidden_act: 'silu',
  hidden_size: 896,
  intermediate_size: 4864,
  max_position_embeddings: 32768,
  max_window_layers: 21,
  model_type: 'qwen2',
  num_attention_heads: 14,
  num_hidden_layers: 24,
  num_key_value_heads: 2,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  sliding_window: 32768,
  tie_word_embeddings: true,
  use_sliding_window: false,
};

const outer = { 'model.embed_tokens.weight': [151936, 896], 'model.norm.weight': [896] };
const shapes = checkpointShapes(outer, 'model.layers', 24, {
  'input_layernorm.weight': [896],
  'mlp.down_proj.weight': [896, 4864],
  'mlp.gate_proj.weight': [4864, 896],
  'mlp.up_proj.weight': [4864, 896],
  'post_attention_layernorm.weight': [896],
  'self_attn.k_proj.bias': [128],
  'self_attn.k_proj.weight': [128, 896],
  'self_attn.o_proj.weight': [896, 896],
  'self_attn.q_proj.bias': [896],
  'self_attn.q_proj.weight': [896, 896],
  'self_attn.v_proj.bias': [128],
  'self_attn.v_proj.weight': [128, 896],
});

const convert = (change: object = {}, tensors = shapes) =>
  convertCheckpoint(describeTensors(tensors, 'BF16'), { ...config, ...change }, 'config.json');

describe('qwen2 conversion', () => {
  it.skipIf(!hasSharedData)('names what a real conversion of Qwen2.5-0.5B names', () => {
    const listing = readListing('Qwen2.5-0.5B-Instruct');
    const converted = convert();
    expect(Object.keys(shapesOf(converted)).sort()).toEqual(listing.tensors);
    const ours = keyValuesOf(converted);
    for (const [key, value] of listing.keyValues) expect([key, ours[key]]).toEqual([key, Number(value)]);
  });

  it('keeps rows in order and says how heads are rotated', () => {
    const converted = convert();
    expect(converted.tensors.filter(({ unit }) => unit)).toEqual([]);
    expect(shapesOf(converted)).toMatchObject({
      'blk.23.attn_k.bias': [128],
      'blk.23.attn_k.weight': [128, 896],
    });
    expect(keyValuesOf(converted)).toMatchObject({
      'qwen2.rope.dimension_count': 64,
      'qwen2.rope.freq_base': 1e6,
    });
  });

  it('has the defaults of the class', () => {
    const change = { max_position_embeddings: undefined, rope_theta: undefined, rms_norm_eps: undefined };
    expect(keyValuesOf(convert(change))).toMatchObject({
      'qwen2.context_length': 32768,
      'qwen2.rope.freq_base': 10000,
      'qwen2.attention.layer_norm_rms_epsilon': 1e-6,
    });
    expect(() => convert({ tie_word_embeddings: undefined })).toThrow(
      'The checkpoint lacks a tensor that config.json requires. (config.json, tensor "lm_head.weight")',
    );
    expect(() => convert({ num_key_value_heads: undefined })).toThrow(
      '96 tensors are of another shape: "model.layers.0.self_attn.k_proj.weight" is [128, 896], not [2048, 896] (and 23 alike)',
    );
    expect(() => convert({ num_key_value_heads: null })).toThrow(
      '"model.layers.0.self_attn.k_proj.weight" is [128, 896], not [896, 896] (and 23 alike)',
    );
  });

  it('stretches by YaRN, in either spelling', () => {
    const yarn = { factor: 4, original_max_position_embeddings: 32768 };
    const expected = {
      'qwen2.rope.freq_base': 1e6,
      'qwen2.rope.scaling.type': 'yarn',
      'qwen2.rope.scaling.factor': 4,
      'qwen2.rope.scaling.original_context_length': 32768,
    };
    expect(keyValuesOf(convert({ rope_scaling: { type: 'yarn', ...yarn } }))).toMatchObject(expected);
    const rope_parameters = { rope_type: 'yarn', rope_theta: 1e6, ...yarn };
    expect(keyValuesOf(convert({ rope_theta: undefined, rope_parameters }))).toMatchObject(expected);
  });

  it.each([
    [{ hidden_act: 'gelu' }, /"gelu".*"silu"/],
    [{ head_dim: 32 }, /14 heads of size 32 do not add up to the hidden size 896/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /llama3/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4, beta_slow: 4 } }, /yarn with its usual "beta_fast"/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4, truncate: false } }, /"truncate"/],
    [{ rope_parameters: { full_attention: { rope_type: 'yarn', factor: 4 } } }, /each kind of layer/],
    [{ rope_scaling: 'yarn' }, /"rope_scaling" is "yarn"; an object is needed/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
