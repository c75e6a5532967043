import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

/** StableLM 2 12B. */
const config = {
  architectures: ['StableLmForCausalLM'],
  hidden_act: 'silu',
  hidden_size: 5120,
  intermediate_size: 13824,
  layer_norm_eps: 1e-5,
  max_position_embeddings: 4096,
  model_type: 'stablelm',
  num_attention_heads: 32,
  num_hidden_layers: 40,
  num_key_value_heads: 8,
  partial_rotary_factor: 0.25,
  qk_layernorm: true,
  rope_scaling: null,
  rope_theta: 10000,
  tie_word_embeddings: false,
  use_parallel_residual: true,
  use_qkv_bias: false,
};

const headNorms = (side: string, heads: number, size: number) =>
  Object.fromEntries(
    Array.from({ length: heads }, (_, head) => [`self_attn.${side}_layernorm.norms.${head}.weight`, [size]]),
  );

interface Sizes {
  hidden: number;
  inner: number;
  keys: number;
  vocabulary: number;
  blocks: number;
}

const shapesFor = ({ hidden, inner, keys, vocabulary, blocks }: Sizes, more: Record<string, number[]>) =>
  checkpointShapes(
    {
      'model.embed_tokens.weight': [vocabulary, hidden],
      'model.norm.weight': [hidden],
      'model.norm.bias': [hidden],
      'lm_head.weight': [vocabulary, hidden],
    },
    'model.layers',
    blocks,
    {
      'input_layernorm.weight': [hidden],
      'input_layernorm.bias': [hidden],
      'self_attn.q_proj.weight': [hidden, hidden],
      'self_attn.k_proj.weight': [keys, hidden],
      'self_attn.v_proj.weight': [keys, hidden],
      'self_attn.o_proj.weight': [hidden, hidden],
      'mlp.gate_proj.weight': [inner, hidden],
      'mlp.up_proj.weight': [inner, hidden],
      'mlp.down_proj.weight': [hidden, inner],
      ...more,
    },
  );

const shapes = shapesFor(
  { hidden: 5120, inner: 13824, keys: 1280, vocabulary: 100352, blocks: 40 },
  { ...headNorms('q', 32, 160), ...headNorms('k', 8, 160) },
);

const convert = (change: object = {}, tensors = shapes) =>
  convertCheckpoint(describeTensors(tensors, 'BF16'), { ...config, ...change }, 'config.json');

describe('stablelm conversion', () => {
  it('merges the norms of heads in order', () => {
    const converted = convert();
    const ours = shapesOf(converted);
    expect(Object.keys(ours)).toHaveLength(4 + 40 * 11);
    expect(ours).toMatchObject({
      'output_norm.bias': [5120],
      'output.weight': [100352, 5120],
      'blk.39.attn_norm.bias': [5120],
      'blk.39.attn_q_norm.weight': [32, 160],
      'blk.39.attn_k_norm.weight': [8, 160],
      'blk.39.ffn_gate.weight': [13824, 5120],
    });
    expect(rowsOf(converted, 'blk.0.attn_k_norm.weight')).toEqual(new Array(8).fill([0, 160]));
    const merged = converted.tensors.find(({ name }) => name === 'blk.0.attn_q_norm.weight');
    expect(merged?.pieces[10]?.tensor.name).toBe('model.layers.0.self_attn.q_layernorm.norms.10.weight');
    expect(Object.keys(ours)).not.toContain('blk.0.ffn_norm.weight');
  });

  it('writes the hyper-parameters', () => {
    expect(keyValuesOf(convert())).toEqual({
      'stablelm.context_length': 4096,
      'stablelm.embedding_length': 5120,
      'stablelm.block_count': 40,
      'stablelm.feed_forward_length': 13824,
      'stablelm.attention.head_count': 32,
      'stablelm.attention.head_count_kv': 8,
      'stablelm.attention.layer_norm_epsilon': 1e-5,
      'stablelm.rope.dimension_count': 40,
      'stablelm.rope.freq_base': 10000,
      'stablelm.use_parallel_residual': true,
    });
  });

  it('reads StableLM 3B in the spelling of its own class, with the defaults', () => {
    const older = {
      architectures: ['StableLMEpochForCausalLM'],
      hidden_size: 2560,
      intermediate_size: 6912,
      norm_eps: 1e-5,
      num_attention_heads: 32,
      num_hidden_layers: 32,
      rope_pct: 0.25,
      rotary_scaling_factor: 1.0,
    };
    const sizes = { hidden: 2560, inner: 6912, keys: 2560, vocabulary: 50304, blocks: 32 };
    const tensors = shapesFor(sizes, {
      'post_attention_layernorm.weight': [2560],
      'post_attention_layernorm.bias': [2560],
      'self_attn.rotary_emb.inv_freq': [10],
    });
    const converted = convertCheckpoint(describeTensors(tensors), older, 'config.json');
    expect(shapesOf(converted)).toMatchObject({ 'blk.31.ffn_norm.bias': [2560] });
    expect(keyValuesOf(converted)).toMatchObject({
      'stablelm.attention.head_count_kv': 32,
      'stablelm.attention.layer_norm_epsilon': 1e-5,
      'stablelm.context_length': 4096,
      'stablelm.rope.dimension_count': 20,
      'stablelm.use_parallel_residual': false,
    });
  });

  it('requires the tensors that config.json implies, no more and no less', () => {
    expect(() => convert({ use_qkv_bias: true })).toThrow(/120 tensors are missing: .*q_proj\.bias/);
    expect(() => convert({ qk_layernorm: false })).toThrow(/1,600 tensors are unexpected: .*q_layernorm/);
    expect(() => convert({ use_parallel_residual: false })).toThrow(
      /tensors are missing: .*post_attention_layernorm/,
    );
  });

  it.each([
    [{ hidden_act: 'gelu' }, /"gelu".*"silu"/],
    [{ rotary_scaling_factor: 2 }, /rotary_scaling_factor/],
    [{ rope_scaling: { type: 'dynamic', factor: 2, alpha: 1000 } }, /"alpha"/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
