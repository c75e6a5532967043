import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** Qwen3-0.6B. */
const config = {
  architectures: ['Qwen3ForCausalLM'],
  attention_bias: false,
  head_dim: 128,
  hidden_act: 'silu',
  hidden_size: 1024,
  intermediate_size: 3072,
  max_position_embeddings: 40960,
  max_window_layers: 28,
  model_type: 'qwen3',
  num_attention_heads: 16,
  num_hidden_layers: 28,
  num_key_value_heads: 8,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: null,
  tie_word_embeddings: true,
  use_sliding_window: false,
};

const outer = {
  'model.embed_tokens.weight': [151936, 1024],
  'model.norm.weight': [1024],
  // The file has it, although it is tied.
  'lm_head.weight': [151936, 1024],
};
const shapes = checkpointShapes(outer, 'model.layers', 28, {
  'input_layernorm.weight': [1024],
  'mlp.down_proj.weight': [1024, 3072],
  'mlp.gate_proj.weight': [3072, 1024],
  'mlp.up_proj.weight': [3072, 1024],
  'post_attention_layernorm.weight': [1024],
  'self_attn.k_norm.weight': [128],
  'self_attn.k_proj.weight': [1024, 1024],
  'self_attn.o_proj.weight': [1024, 2048],
  'self_attn.q_norm.weight': [128],
  'self_attn.q_proj.weight': [2048, 1024],
  'self_attn.v_proj.weight': [1024, 1024],
});

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('qwen3 conversion', () => {
  it('names the tensors of Qwen3-0.6B', () => {
    const converted = shapesOf(convert());
    expect(Object.keys(converted)).toHaveLength(2 + 28 * 11);
    expect(converted).toMatchObject({
      'token_embd.weight': [151936, 1024],
      'output_norm.weight': [1024],
      'blk.27.attn_norm.weight': [1024],
      'blk.27.attn_q.weight': [2048, 1024],
      'blk.27.attn_k.weight': [1024, 1024],
      'blk.27.attn_v.weight': [1024, 1024],
      'blk.27.attn_output.weight': [1024, 2048],
      'blk.27.attn_q_norm.weight': [128],
      'blk.27.attn_k_norm.weight': [128],
      'blk.27.ffn_norm.weight': [1024],
      'blk.27.ffn_gate.weight': [3072, 1024],
      'blk.27.ffn_up.weight': [3072, 1024],
      'blk.27.ffn_down.weight': [1024, 3072],
    });
  });

  it('writes the hyper-parameters, with the head size of the class where none is stated', () => {
    const expected = {
      'qwen3.context_length': 40960,
      'qwen3.embedding_length': 1024,
      'qwen3.block_count': 28,
      'qwen3.feed_forward_length': 3072,
      'qwen3.attention.head_count': 16,
      'qwen3.attention.head_count_kv': 8,
      'qwen3.attention.key_length': 128,
      'qwen3.attention.value_length': 128,
      'qwen3.rope.dimension_count': 128,
      'qwen3.rope.freq_base': 1e6,
      'qwen3.attention.layer_norm_rms_epsilon': 1e-6,
    };
    expect(keyValuesOf(convert())).toEqual(expected);
    const parameters = { rope_parameters: { rope_type: 'default', rope_theta: 1e6 }, rope_theta: undefined };
    expect(keyValuesOf(convert({ head_dim: undefined, ...parameters }))).toEqual(expected);
  });

  it.each([
    [{ attention_bias: true }, /attention_bias/],
    [{ rope_scaling: { type: 'dynamic', factor: 2, alpha: 1000 } }, /"alpha"/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
