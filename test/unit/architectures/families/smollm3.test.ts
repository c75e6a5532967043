import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

const layers = Array.from({ length: 36 }, (_, layer) => layer);

/** SmolLM3-3B. */
const config = {
  architectures: ['SmolLM3ForCausalLM'],
  attention_bias: false,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 11008,
  layer_types: layers.map(() => 'full_attention'),
  max_position_embeddings: 65536,
  max_window_layers: 28,
  mlp_bias: false,
  model_type: 'smollm3',
  no_rope_layer_interval: 4,
  no_rope_layers: layers.map((layer) => (layer % 4 === 3 ? 0 : 1)),
  num_attention_heads: 16,
  num_hidden_layers: 36,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 5000000.0,
  sliding_window: null,
  use_sliding_window: false,
};

const outer = { 'model.embed_tokens.weight': [128256, 2048], 'model.norm.weight': [2048] };
const shapes = checkpointShapes(outer, 'model.layers', 36, {
  'input_layernorm.weight': [2048],
  'mlp.down_proj.weight': [2048, 11008],
  'mlp.gate_proj.weight': [11008, 2048],
  'mlp.up_proj.weight': [11008, 2048],
  'post_attention_layernorm.weight': [2048],
  'self_attn.k_proj.weight': [512, 2048],
  'self_attn.o_proj.weight': [2048, 2048],
  'self_attn.q_proj.weight': [2048, 2048],
  'self_attn.v_proj.weight': [512, 2048],
});

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('smollm3 conversion', () => {
  it('names the tensors of SmolLM3-3B and puts rotated pairs side by side', () => {
    const converted = convert();
    expect(Object.keys(shapesOf(converted))).toHaveLength(2 + 36 * 9);
    const moved = converted.tensors.filter(({ name, unit }) => name.startsWith('blk.3.') && unit);
    expect(moved.map(({ name, unit }) => [name, unit])).toEqual([
      ['blk.3.attn_q.weight', { rows: 128, order: 'interleave' }],
      ['blk.3.attn_k.weight', { rows: 128, order: 'interleave' }],
    ]);
  });

  it('writes the hyper-parameters, and the defaults of the class', () => {
    const expected = {
      'smollm3.context_length': 65536,
      'smollm3.embedding_length': 2048,
      'smollm3.block_count': 36,
      'smollm3.feed_forward_length': 11008,
      'smollm3.attention.head_count': 16,
      'smollm3.attention.head_count_kv': 4,
      'smollm3.rope.dimension_count': 128,
      'smollm3.rope.freq_base': 5e6,
      'smollm3.attention.layer_norm_rms_epsilon': 1e-6,
    };
    expect(keyValuesOf(convert())).toEqual(expected);
    const absent = {
      rope_theta: undefined,
      max_position_embeddings: undefined,
      num_key_value_heads: undefined,
    };
    expect(
      keyValuesOf(convert({ ...absent, no_rope_layers: undefined, no_rope_layer_interval: undefined })),
    ).toEqual({ ...expected, 'smollm3.rope.freq_base': 2e6, 'smollm3.context_length': 32768 });
  });

  it.each([
    [{ no_rope_layers: layers.map(() => 1) }, /layer 3 has rotary embedding/],
    [{ no_rope_layers: layers.map((layer) => (layer % 4 === 0 ? 0 : 1)) }, /layer 0 lacks rotary embedding/],
    [{ no_rope_layers: undefined, no_rope_layer_interval: 3 }, /layer 2 lacks/],
    [{ attention_bias: true }, /attention_bias/],
    [{ mlp_bias: true }, /mlp_bias/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
