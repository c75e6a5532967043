import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** Qwen3-30B-A3B, with 2 of its 48 blocks and 4 of its 128 experts. */
const config = {
  architectures: ['Qwen3MoeForCausalLM'],
  attention_bias: false,
  decoder_sparse_step: 1,
  head_dim: 128,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 6144,
  max_position_embeddings: 40960,
  mlp_only_layers: [],
  model_type: 'qwen3_moe',
  moe_intermediate_size: 768,
  norm_topk_prob: true,
  num_attention_heads: 32,
  num_experts: 4,
  num_experts_per_tok: 8,
  num_hidden_layers: 2,
  num_key_value_heads: 4,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  tie_word_embeddings: false,
  use_sliding_window: false,
};

const shapes = checkpointShapes(
  {
    'model.embed_tokens.weight': [151936, 2048],
    'model.norm.weight': [2048],
    'lm_head.weight': [151936, 2048],
  },
  'model.layers',
  2,
  {
    'input_layernorm.weight': [2048],
    'post_attention_layernorm.weight': [2048],
    'self_attn.q_proj.weight': [4096, 2048],
    'self_attn.k_proj.weight': [512, 2048],
    'self_attn.v_proj.weight': [512, 2048],
    'self_attn.o_proj.weight': [2048, 4096],
    'self_attn.q_norm.weight': [128],
    'self_attn.k_norm.weight': [128],
    'mlp.gate.weight': [4, 2048],
    ...Object.fromEntries(
      [0, 1, 2, 3].flatMap((index): [string, number[]][] => [
        [`mlp.experts.${index}.gate_proj.weight`, [768, 2048]],
        [`mlp.experts.${index}.up_proj.weight`, [768, 2048]],
        [`mlp.experts.${index}.down_proj.weight`, [2048, 768]],
      ]),
    ),
  },
);

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('qwen3moe conversion', () => {
  it('merges experts next to normalized heads', () => {
    const converted = shapesOf(convert());
    expect(Object.keys(converted)).toHaveLength(3 + 2 * 12);
    expect(converted).toMatchObject({
      'blk.1.attn_q.weight': [4096, 2048],
      'blk.1.attn_q_norm.weight': [128],
      'blk.1.attn_k_norm.weight': [128],
      'blk.1.ffn_norm.weight': [2048],
      'blk.1.ffn_gate_inp.weight': [4, 2048],
      'blk.1.ffn_gate_exps.weight': [4, 768, 2048],
      'blk.1.ffn_up_exps.weight': [4, 768, 2048],
      'blk.1.ffn_down_exps.weight': [4, 2048, 768],
    });
  });

  it('writes the hyper-parameters, also by the names of transformers 5', () => {
    const expected = {
      'qwen3moe.context_length': 40960,
      'qwen3moe.embedding_length': 2048,
      'qwen3moe.block_count': 2,
      'qwen3moe.feed_forward_length': 6144,
      'qwen3moe.attention.head_count': 32,
      'qwen3moe.attention.head_count_kv': 4,
      'qwen3moe.attention.key_length': 128,
      'qwen3moe.attention.value_length': 128,
      'qwen3moe.rope.dimension_count': 128,
      'qwen3moe.rope.freq_base': 1e6,
      'qwen3moe.attention.layer_norm_rms_epsilon': 1e-6,
      'qwen3moe.expert_count': 4,
      'qwen3moe.expert_used_count': 8,
      'qwen3moe.expert_feed_forward_length': 768,
    };
    expect(keyValuesOf(convert())).toEqual(expected);
    const newer = {
      num_experts: undefined,
      num_local_experts: 4,
      rope_theta: undefined,
      rope_parameters: { rope_type: 'default', rope_theta: 1e6 },
    };
    expect(keyValuesOf(convert(newer))).toEqual(expected);
  });

  it.each([
    [{ norm_topk_prob: undefined }, /"norm_topk_prob" is missing, which means false; GGUF can express true/],
    [{ mlp_only_layers: [1] }, /mlp_only_layers/],
    [{ decoder_sparse_step: 2 }, /decoder_sparse_step/],
    [{ attention_bias: true }, /attention_bias/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
