import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** Qwen1.5-MoE-A2.7B, with 2 of its 24 blocks and 3 of its 60 experts. */
const config = {
  architectures: ['Qwen2MoeForCausalLM'],
  decoder_sparse_step: 1,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 5632,
  max_position_embeddings: 8192,
  max_window_layers: 21,
  model_type: 'qwen2_moe',
  moe_intermediate_size: 1408,
  norm_topk_prob: false,
  num_attention_heads: 16,
  num_experts: 3,
  num_experts_per_tok: 4,
  num_hidden_layers: 2,
  num_key_value_heads: 16,
  rms_norm_eps: 1e-6,
  rope_theta: 1000000.0,
  shared_expert_intermediate_size: 5632,
  sliding_window: 32768,
  tie_word_embeddings: false,
  use_sliding_window: false,
};

const experts = [0, 1, 2].flatMap((index): [string, number[]][] => [
  [`mlp.experts.${index}.gate_proj.weight`, [1408, 2048]],
  [`mlp.experts.${index}.up_proj.weight`, [1408, 2048]],
  [`mlp.experts.${index}.down_proj.weight`, [2048, 1408]],
]);
const biases = { 'q_proj.bias': [2048], 'k_proj.bias': [2048], 'v_proj.bias': [2048] };
const block: Record<string, number[]> = {
  'input_layernorm.weight': [2048],
  'post_attention_layernorm.weight': [2048],
  ...Object.fromEntries(['q', 'k', 'v', 'o'].map((part) => [`self_attn.${part}_proj.weight`, [2048, 2048]])),
  'mlp.gate.weight': [3, 2048],
  ...Object.fromEntries(experts),
  'mlp.shared_expert.gate_proj.weight': [5632, 2048],
  'mlp.shared_expert.up_proj.weight': [5632, 2048],
  'mlp.shared_expert.down_proj.weight': [2048, 5632],
  'mlp.shared_expert_gate.weight': [1, 2048],
};
const withBiases = {
  ...block,
  ...Object.fromEntries(Object.entries(biases).map(([name, shape]) => [`self_attn.${name}`, shape])),
};
const outer = {
  'model.embed_tokens.weight': [151936, 2048],
  'model.norm.weight': [2048],
  'lm_head.weight': [151936, 2048],
};

const convert = (change: object = {}, parts = withBiases) =>
  convertCheckpoint(
    describeTensors(checkpointShapes(outer, 'model.layers', 2, parts)),
    { ...config, ...change },
    'config.json',
  );

describe('qwen2moe conversion', () => {
  it('merges experts and names the shared one', () => {
    const converted = convert();
    expect(shapesOf(converted)).toMatchObject({
      'blk.1.ffn_gate_inp.weight': [3, 2048],
      'blk.1.ffn_gate_exps.weight': [3, 1408, 2048],
      'blk.1.ffn_up_exps.weight': [3, 1408, 2048],
      'blk.1.ffn_down_exps.weight': [3, 2048, 1408],
      'blk.1.ffn_gate_inp_shexp.weight': [2048],
      'blk.1.ffn_gate_shexp.weight': [5632, 2048],
      'blk.1.ffn_up_shexp.weight': [5632, 2048],
      'blk.1.ffn_down_shexp.weight': [2048, 5632],
      'blk.1.attn_q.bias': [2048],
      'output.weight': [151936, 2048],
    });
    const merged = converted.tensors.find(({ name }) => name === 'blk.0.ffn_up_exps.weight');
    expect(merged?.pieces.map(({ tensor }) => tensor.name)).toEqual(
      [0, 1, 2].map((index) => `model.layers.0.mlp.experts.${index}.up_proj.weight`),
    );
  });

  it('writes the hyper-parameters', () => {
    expect(keyValuesOf(convert())).toEqual({
      'qwen2moe.context_length': 8192,
      'qwen2moe.embedding_length': 2048,
      'qwen2moe.block_count': 2,
      'qwen2moe.feed_forward_length': 5632,
      'qwen2moe.attention.head_count': 16,
      'qwen2moe.attention.head_count_kv': 16,
      'qwen2moe.rope.dimension_count': 128,
      'qwen2moe.rope.freq_base': 1e6,
      'qwen2moe.attention.layer_norm_rms_epsilon': 1e-6,
      'qwen2moe.expert_count': 3,
      'qwen2moe.expert_used_count': 4,
      'qwen2moe.expert_feed_forward_length': 1408,
      'qwen2moe.expert_shared_feed_forward_length': 5632,
    });
    const absent = {
      num_experts_per_tok: undefined,
      moe_intermediate_size: undefined,
      shared_expert_intermediate_size: undefined,
      norm_topk_prob: undefined,
    };
    expect(keyValuesOf(convert(absent))).toEqual(keyValuesOf(convert()));
    expect(() => convert({ num_experts: undefined })).toThrow(
      '"model.layers.0.mlp.gate.weight" is [3, 2048], not [60, 2048] (and 1 alike)',
    );
  });

  it('writes a tied output as a copy, which llama.cpp requires', () => {
    const output = convert({ tie_word_embeddings: true }).tensors.find(
      ({ name }) => name === 'output.weight',
    );
    expect(output?.pieces.map(({ tensor }) => tensor.name)).toEqual(['model.embed_tokens.weight']);
  });

  it('has biases by "qkv_bias"', () => {
    expect(() => convert({}, block)).toThrow(/6 tensors are missing: .*q_proj\.bias/);
    expect(Object.keys(shapesOf(convert({ qkv_bias: false }, block)))).not.toContain('blk.0.attn_q.bias');
  });

  it.each([
    [{ norm_topk_prob: true }, /"norm_topk_prob" is true/],
    [{ decoder_sparse_step: 2 }, /decoder_sparse_step/],
    [{ mlp_only_layers: [0] }, /mlp_only_layers/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
