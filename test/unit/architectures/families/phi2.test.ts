import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** Phi 2. */
const config = {
  architectures: ['PhiForCausalLM'],
  hidden_act: 'gelu_new',
  hidden_size: 2560,
  intermediate_size: 10240,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  model_type: 'phi',
  num_attention_heads: 32,
  num_hidden_layers: 32,
  num_key_value_heads: 32,
  partial_rotary_factor: 0.4,
  qk_layernorm: false,
  rope_scaling: null,
  rope_theta: 10000.0,
  tie_word_embeddings: false,
};

const withBias = (name: string, shape: number[]) => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: shape.slice(0, 1),
});
const shapes = checkpointShapes(
  {
    'model.embed_tokens.weight': [51200, 2560],
    ...withBias('model.final_layernorm', [2560]),
    ...withBias('lm_head', [51200, 2560]),
  },
  'model.layers',
  32,
  {
    ...withBias('input_layernorm', [2560]),
    ...withBias('self_attn.q_proj', [2560, 2560]),
    ...withBias('self_attn.k_proj', [2560, 2560]),
    ...withBias('self_attn.v_proj', [2560, 2560]),
    ...withBias('self_attn.dense', [2560, 2560]),
    ...withBias('mlp.fc1', [10240, 2560]),
    ...withBias('mlp.fc2', [2560, 10240]),
  },
);

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'F16'), { ...config, ...change }, 'config.json');

describe('phi2 conversion', () => {
  it('names every weight and bias', () => {
    const ours = shapesOf(convert());
    const block = Object.keys(ours).filter((name) => name.startsWith('blk.31.'));
    expect(Object.keys(ours)).toHaveLength(5 + 32 * 14);
    expect(ours).toMatchObject({
      'token_embd.weight': [51200, 2560],
      'output_norm.weight': [2560],
      'output_norm.bias': [2560],
      'output.weight': [51200, 2560],
      'output.bias': [51200],
      'blk.31.attn_output.bias': [2560],
      'blk.31.ffn_up.bias': [10240],
      'blk.31.ffn_down.weight': [2560, 10240],
    });
    expect(block.filter((name) => name.endsWith('.weight')).sort()).toEqual(
      ['attn_k', 'attn_norm', 'attn_output', 'attn_q', 'attn_v', 'ffn_down', 'ffn_up'].map(
        (name) => `blk.31.${name}.weight`,
      ),
    );
  });

  it('writes the hyper-parameters, with the part of a head that is rotated', () => {
    expect(keyValuesOf(convert())).toEqual({
      'phi2.context_length': 2048,
      'phi2.embedding_length': 2560,
      'phi2.block_count': 32,
      'phi2.feed_forward_length': 10240,
      'phi2.attention.head_count': 32,
      'phi2.attention.head_count_kv': 32,
      'phi2.attention.layer_norm_epsilon': 1e-5,
      'phi2.rope.dimension_count': 32,
      'phi2.rope.freq_base': 10000,
    });
    const rope_parameters = { rope_theta: 5000, partial_rotary_factor: 0.25 };
    const newer = { partial_rotary_factor: undefined, rope_theta: undefined, rope_parameters };
    expect(keyValuesOf(convert(newer))).toMatchObject({
      'phi2.rope.dimension_count': 20,
      'phi2.rope.freq_base': 5000,
    });
    const older = { partial_rotary_factor: undefined, layer_norm_eps: undefined };
    expect(keyValuesOf(convert(older))).toMatchObject({ 'phi2.rope.dimension_count': 40 });
  });

  it('writes a tied output as a copy, with its bias', () => {
    const { tensors } = convert({ tie_word_embeddings: true });
    const output = tensors.find(({ name }) => name === 'output.weight');
    expect(output?.pieces.map(({ tensor }) => tensor.name)).toEqual(['model.embed_tokens.weight']);
    expect(tensors.map(({ name }) => name)).toContain('output.bias');
  });

  it.each([
    [{ qk_layernorm: true }, /qk_layernorm/],
    [{ hidden_act: 'relu' }, /"relu".*"gelu_new"/],
    [{ rope_scaling: { type: 'llama3' } }, /llama3/],
    [{ rope_scaling: { type: 'dynamic', factor: 2, alpha: 1000 } }, /"alpha"/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
