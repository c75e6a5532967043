import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

const architectures = ['FalconForCausalLM'];

/** Falcon 7B and 40B. */
const small = {
  architectures,
  alibi: false,
  bias: false,
  hidden_size: 4544,
  layer_norm_epsilon: 1e-5,
  model_type: 'falcon',
  multi_query: true,
  new_decoder_architecture: false,
  num_attention_heads: 71,
  num_hidden_layers: 32,
  parallel_attn: true,
};
const large = {
  ...small,
  hidden_size: 8192,
  new_decoder_architecture: true,
  num_attention_heads: 128,
  num_hidden_layers: 60,
  num_kv_heads: 8,
};

function shapesFor(hidden: number, fused: number, blocks: number, norms: readonly string[]) {
  const normed = (name: string) => ({ [`${name}.weight`]: [hidden], [`${name}.bias`]: [hidden] });
  const blockNorms = Object.fromEntries(norms.flatMap((name) => Object.entries(normed(name))));
  return checkpointShapes(
    {
      'transformer.word_embeddings.weight': [65024, hidden],
      ...normed('transformer.ln_f'),
      'lm_head.weight': [65024, hidden],
    },
    'transformer.h',
    blocks,
    {
      ...blockNorms,
      'self_attention.query_key_value.weight': [fused, hidden],
      'self_attention.dense.weight': [hidden, hidden],
      'mlp.dense_h_to_4h.weight': [4 * hidden, hidden],
      'mlp.dense_4h_to_h.weight': [hidden, 4 * hidden],
    },
  );
}
const smallShapes = shapesFor(4544, 73 * 64, 32, ['input_layernorm']);
const largeShapes = shapesFor(8192, 144 * 64, 60, ['ln_attn', 'ln_mlp']);

const convert = (config: object, tensors: Record<string, readonly number[]>) =>
  convertCheckpoint(describeTensors(tensors, 'BF16'), config as Record<string, unknown>, 'config.json');

describe('falcon conversion', () => {
  it('takes the 7B, whose heads share one key and value, as it is', () => {
    const converted = convert(small, smallShapes);
    expect(Object.keys(shapesOf(converted))).toHaveLength(3 + 32 * 6);
    expect(shapesOf(converted)).toMatchObject({
      'output_norm.bias': [4544],
      'blk.31.attn_norm.bias': [4544],
      'blk.31.attn_qkv.weight': [4672, 4544],
      'blk.31.ffn_up.weight': [18176, 4544],
    });
    expect(rowsOf(converted, 'blk.0.attn_qkv.weight')).toEqual([
      [0, 71 * 64],
      [71 * 64, 64],
      [72 * 64, 64],
    ]);
    expect(keyValuesOf(converted)).toEqual({
      'falcon.context_length': 2048,
      'falcon.embedding_length': 4544,
      'falcon.block_count': 32,
      'falcon.feed_forward_length': 18176,
      'falcon.attention.head_count': 71,
      'falcon.attention.head_count_kv': 1,
      'falcon.attention.layer_norm_epsilon': 1e-5,
      'falcon.rope.dimension_count': 64,
      'falcon.rope.freq_base': 10000,
      'falcon.tensor_data_layout': 'jploski',
    });
  });

  it('reorders the groups of the 40B and keeps both norms', () => {
    const converted = convert(large, largeShapes);
    const groups = [0, 1, 2, 3, 4, 5, 6, 7].map((group) => group * 18 * 64);
    expect(rowsOf(converted, 'blk.0.attn_qkv.weight')).toEqual([
      ...groups.map((first) => [first, 16 * 64]),
      ...groups.map((first) => [first + 16 * 64, 64]),
      ...groups.map((first) => [first + 17 * 64, 64]),
    ]);
    const sources = Object.fromEntries(
      converted.tensors.map(({ name, pieces }) => [name, pieces[0]!.tensor.name]),
    );
    expect(sources).toMatchObject({
      'blk.0.attn_norm.weight': 'transformer.h.0.ln_mlp.weight',
      'blk.0.attn_norm_2.bias': 'transformer.h.0.ln_attn.bias',
    });
    expect(keyValuesOf(converted)).toMatchObject({ 'falcon.attention.head_count_kv': 8 });
  });

  it('takes groups with one norm, an output of its own and a stated feed-forward size', () => {
    const change = { num_ln_in_parallel_attn: 1, tie_word_embeddings: false, ffn_hidden_size: 32768 };
    const tensors = shapesFor(8192, 144 * 64, 60, ['input_layernorm']);
    const ours = shapesOf(convert({ ...large, ...change }, tensors));
    expect(Object.keys(ours)).toHaveLength(4 + 60 * 6);
    expect(ours).toMatchObject({ 'output.weight': [65024, 8192] });
  });

  it('reads the spelling of the older class', () => {
    const { hidden_size, alibi, bias, parallel_attn } = large;
    const older = { alibi, bias, parallel_attn, hidden_size, architectures: ['RWForCausalLM'] };
    const grouped = { ...older, model_type: 'RefinedWeb', n_head: 128, n_head_kv: 8, n_layer: 60 };
    expect(keyValuesOf(convert(grouped, largeShapes))).toEqual(keyValuesOf(convert(large, largeShapes)));
    const single = { ...older, hidden_size: 4544, n_head: 71, n_layer: 32, multi_query: true };
    expect(keyValuesOf(convert(single, smallShapes))).toEqual(keyValuesOf(convert(small, smallShapes)));
  });

  it('has the defaults of the class', () => {
    expect(keyValuesOf(convert({ architectures }, smallShapes))).toEqual(
      keyValuesOf(convert(small, smallShapes)),
    );
    const rope_parameters = { rope_type: 'default', rope_theta: 500042 };
    expect(keyValuesOf(convert({ ...small, rope_parameters }, smallShapes))).toMatchObject({
      'falcon.rope.freq_base': 500042,
    });
  });

  it.each([
    [{ alibi: true }, /alibi/],
    [{ bias: true }, /bias/],
    [{ parallel_attn: false }, /parallel_attn/],
    [{ activation: 'relu' }, /"relu".*"gelu"/],
    [{ num_attention_heads: 70 }, /70 heads share a hidden size of 4544/],
    [{ new_decoder_architecture: true, num_kv_heads: 8 }, /num_kv_heads.*divisor of 71/],
    [{ new_decoder_architecture: true, num_ln_in_parallel_attn: 3 }, /num_ln_in_parallel_attn/],
    [{ rope_scaling: { type: 'llama3' } }, /llama3/],
  ])('rejects %j', (change, message) => {
    expect(() => convert({ ...small, ...change }, smallShapes)).toThrow(message);
  });
});
