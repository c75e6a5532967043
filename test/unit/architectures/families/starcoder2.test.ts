import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** StarCoder2 3B. */
const config = {
  architectures: ['Starcoder2ForCausalLM'],
  hidden_act: 'gelu_pytorch_tanh',
  hidden_size: 3072,
  intermediate_size: 12288,
  max_position_embeddings: 16384,
  mlp_type: 'default',
  model_type: 'starcoder2',
  norm_epsilon: 1e-5,
  norm_type: 'layer_norm',
  num_attention_heads: 24,
  num_hidden_layers: 30,
  num_key_value_heads: 2,
  rope_theta: 999999.4420358813,
  sliding_window: 4096,
  use_bias: true,
};

const withBias = (name: string, shape: number[]) => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: shape.slice(0, 1),
});
const shapes = checkpointShapes(
  { 'model.embed_tokens.weight': [49152, 3072], ...withBias('model.norm', [3072]) },
  'model.layers',
  30,
  {
    ...withBias('input_layernorm', [3072]),
    ...withBias('self_attn.q_proj', [3072, 3072]),
    ...withBias('self_attn.k_proj', [256, 3072]),
    ...withBias('self_attn.v_proj', [256, 3072]),
    ...withBias('self_attn.o_proj', [3072, 3072]),
    ...withBias('post_attention_layernorm', [3072]),
    ...withBias('mlp.c_fc', [12288, 3072]),
    ...withBias('mlp.c_proj', [3072, 12288]),
  },
);

const convert = (change: object = {}, more: Record<string, number[]> = {}) =>
  convertCheckpoint(describeTensors({ ...shapes, ...more }, 'BF16'), { ...config, ...change }, 'config.json');

describe('starcoder2 conversion', () => {
  it('names every weight and bias, and ties the output where nothing is said', () => {
    const ours = shapesOf(convert({}, { 'lm_head.weight': [49152, 3072] }));
    expect(Object.keys(ours)).toHaveLength(3 + 30 * 16);
    expect(ours).toMatchObject({
      'output_norm.bias': [3072],
      'blk.29.attn_k.bias': [256],
      'blk.29.attn_output.bias': [3072],
      'blk.29.ffn_norm.bias': [3072],
      'blk.29.ffn_up.weight': [12288, 3072],
      'blk.29.ffn_down.bias': [3072],
    });
    const untied = convert({ tie_word_embeddings: false }, { 'lm_head.weight': [49152, 3072] });
    expect(shapesOf(untied)).toMatchObject({ 'output.weight': [49152, 3072] });
  });

  it('writes the hyper-parameters', () => {
    expect(keyValuesOf(convert())).toEqual({
      'starcoder2.context_length': 16384,
      'starcoder2.embedding_length': 3072,
      'starcoder2.block_count': 30,
      'starcoder2.feed_forward_length': 12288,
      'starcoder2.attention.head_count': 24,
      'starcoder2.attention.head_count_kv': 2,
      'starcoder2.attention.layer_norm_epsilon': 1e-5,
      'starcoder2.attention.sliding_window': 4096,
      'starcoder2.rope.dimension_count': 128,
      'starcoder2.rope.freq_base': 999999.4420358813,
    });
    const bare = { architectures: config.architectures };
    const defaults = keyValuesOf(convertCheckpoint(describeTensors(shapes), bare, 'config.json'));
    expect(defaults).toMatchObject({
      'starcoder2.context_length': 4096,
      'starcoder2.attention.head_count_kv': 2,
      'starcoder2.rope.freq_base': 10000,
    });
    expect(Object.keys(defaults)).not.toContain('starcoder2.attention.sliding_window');
  });

  it.each([
    [{ use_bias: false }, /use_bias/],
    [{ norm_type: 'rms_norm' }, /norm_type/],
    [{ mlp_type: 'gated' }, /mlp_type/],
    [{ hidden_act: 'silu' }, /"silu"/],
    [{ rope_scaling: { type: 'llama3' } }, /llama3/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
