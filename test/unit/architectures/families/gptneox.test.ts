import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

/** Pythia 70M. */
const config = {
  architectures: ['GPTNeoXForCausalLM'],
  hidden_act: 'gelu',
  hidden_size: 512,
  intermediate_size: 2048,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 2048,
  model_type: 'gpt_neox',
  num_attention_heads: 8,
  num_hidden_layers: 6,
  rotary_emb_base: 10000,
  rotary_pct: 0.25,
  tie_word_embeddings: false,
  use_parallel_residual: true,
};

const withBias = (name: string, shape: number[]) => ({
  [`${name}.weight`]: shape,
  [`${name}.bias`]: shape.slice(0, 1),
});
const shapes = checkpointShapes(
  {
    'gpt_neox.embed_in.weight': [50304, 512],
    ...withBias('gpt_neox.final_layer_norm', [512]),
    'embed_out.weight': [50304, 512],
  },
  'gpt_neox.layers',
  6,
  {
    ...withBias('input_layernorm', [512]),
    ...withBias('post_attention_layernorm', [512]),
    ...withBias('attention.query_key_value', [1536, 512]),
    ...withBias('attention.dense', [512, 512]),
    ...withBias('mlp.dense_h_to_4h', [2048, 512]),
    ...withBias('mlp.dense_4h_to_h', [512, 2048]),
    'attention.bias': [1, 1, 2048, 2048],
    'attention.masked_bias': [],
    'attention.rotary_emb.inv_freq': [8],
  },
);

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'F16'), { ...config, ...change }, 'config.json');

describe('gptneox conversion', () => {
  it('names everything but masks and frequencies', () => {
    const ours = shapesOf(convert());
    expect(Object.keys(ours)).toHaveLength(4 + 6 * 12);
    expect(ours).toMatchObject({
      'token_embd.weight': [50304, 512],
      'output_norm.bias': [512],
      'output.weight': [50304, 512],
      'blk.5.attn_qkv.weight': [1536, 512],
      'blk.5.attn_qkv.bias': [1536],
      'blk.5.attn_output.bias': [512],
      'blk.5.ffn_norm.weight': [512],
      'blk.5.ffn_up.bias': [2048],
      'blk.5.ffn_down.weight': [512, 2048],
    });
  });

  it('puts the queries of all heads first, then the keys, then the values', () => {
    const heads = [0, 1, 2, 3, 4, 5, 6, 7];
    const expected = [0, 64, 128].flatMap((part) => heads.map((head) => [head * 192 + part, 64]));
    expect(rowsOf(convert(), 'blk.0.attn_qkv.weight')).toEqual(expected);
    expect(rowsOf(convert(), 'blk.0.attn_qkv.bias')).toEqual(expected);
  });

  it('writes the hyper-parameters', () => {
    expect(keyValuesOf(convert())).toEqual({
      'gptneox.context_length': 2048,
      'gptneox.embedding_length': 512,
      'gptneox.block_count': 6,
      'gptneox.feed_forward_length': 2048,
      'gptneox.attention.head_count': 8,
      'gptneox.attention.head_count_kv': 8,
      'gptneox.attention.layer_norm_epsilon': 1e-5,
      'gptneox.rope.dimension_count': 16,
      'gptneox.rope.freq_base': 10000,
      'gptneox.use_parallel_residual': true,
    });
    expect(keyValuesOf(convert({ use_parallel_residual: false, rotary_emb_base: 20000 }))).toMatchObject({
      'gptneox.use_parallel_residual': false,
      'gptneox.rope.freq_base': 20000,
    });
    const rope_parameters = { rope_type: 'default', rope_theta: 5000, partial_rotary_factor: 0.5 };
    const newer = { rotary_emb_base: undefined, rotary_pct: undefined, rope_parameters };
    expect(keyValuesOf(convert(newer))).toMatchObject({
      'gptneox.rope.dimension_count': 32,
      'gptneox.rope.freq_base': 5000,
    });
    expect(keyValuesOf(convert({ rotary_pct: undefined }))).toMatchObject({
      'gptneox.rope.dimension_count': 16,
    });
  });

  it('writes a tied output as a copy', () => {
    const { tensors } = convert({ tie_word_embeddings: true });
    const output = tensors.find(({ name }) => name === 'output.weight');
    expect(output?.pieces.map(({ tensor }) => tensor.name)).toEqual(['gpt_neox.embed_in.weight']);
  });

  it.each([
    [{ attention_bias: false }, /attention_bias/],
    [{ hidden_act: 'silu' }, /"silu".*"gelu"/],
    [{ rope_scaling: { type: 'llama3' } }, /llama3/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
