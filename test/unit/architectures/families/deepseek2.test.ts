import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

const yarn = {
  beta_fast: 32,
  beta_slow: 1,
  factor: 40,
  mscale: 0.707,
  mscale_all_dim: 0.707,
  original_max_position_embeddings: 4096,
  type: 'yarn',
};

/** DeepSeek V2 Lite. */
const lite = {
  architectures: ['DeepseekV2ForCausalLM'],
  attention_bias: false,
  first_k_dense_replace: 1,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 10944,
  kv_lora_rank: 512,
  max_position_embeddings: 163840,
  model_type: 'deepseek_v2',
  moe_intermediate_size: 1408,
  moe_layer_freq: 1,
  n_group: 1,
  n_routed_experts: 64,
  n_shared_experts: 2,
  norm_topk_prob: false,
  num_attention_heads: 16,
  num_experts_per_tok: 6,
  num_hidden_layers: 27,
  num_key_value_heads: 16,
  q_lora_rank: null,
  qk_nope_head_dim: 128,
  qk_rope_head_dim: 64,
  rms_norm_eps: 1e-6,
  rope_scaling: yarn,
  rope_theta: 10000,
  routed_scaling_factor: 1.0,
  scoring_func: 'softmax',
  tie_word_embeddings: false,
  topk_group: 1,
  topk_method: 'greedy',
  v_head_dim: 128,
  vocab_size: 102400,
};

/** DeepSeek V3 with 4 blocks and 8 experts. */
const third = {
  architectures: ['DeepseekV3ForCausalLM'],
  model_type: 'deepseek_v3',
  n_routed_experts: 8,
  num_experts_per_tok: 4,
  num_hidden_layers: 4,
  rope_scaling: { ...yarn, mscale: 1, mscale_all_dim: 1 },
};

interface Sizes {
  hidden: number;
  inner: number;
  expert: number;
  shared: number;
  experts: number;
  dense: number;
  blocks: number;
  heads: number;
  vocabulary: number;
  /** Rank of compressed queries. */
  queries?: number;
  further?: number;
}

type Shapes = Record<string, number[]>;
const joined = (count: number, part: (index: number) => Shapes): Shapes =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => Object.entries(part(index))).flat());

function shapesFor(sizes: Sizes): Shapes {
  const { hidden, inner, expert, shared, experts, dense, blocks, heads, vocabulary, queries, further } =
    sizes;
  const gated = (prefix: string, size: number) => ({
    [`${prefix}.gate_proj.weight`]: [size, hidden],
    [`${prefix}.up_proj.weight`]: [size, hidden],
    [`${prefix}.down_proj.weight`]: [hidden, size],
  });
  const block = (index: number): Shapes => {
    const layer = `model.layers.${index}`;
    const attention = `${layer}.self_attn`;
    return {
      [`${layer}.input_layernorm.weight`]: [hidden],
      [`${layer}.post_attention_layernorm.weight`]: [hidden],
      ...(queries
        ? {
            [`${attention}.q_a_proj.weight`]: [queries, hidden],
            [`${attention}.q_a_layernorm.weight`]: [queries],
            [`${attention}.q_b_proj.weight`]: [heads * 192, queries],
          }
        : { [`${attention}.q_proj.weight`]: [heads * 192, hidden] }),
      [`${attention}.kv_a_proj_with_mqa.weight`]: [576, hidden],
      [`${attention}.kv_a_layernorm.weight`]: [512],
      [`${attention}.kv_b_proj.weight`]: [heads * 256, 512],
      [`${attention}.o_proj.weight`]: [hidden, heads * 128],
      ...(index < dense
        ? gated(`${layer}.mlp`, inner)
        : {
            [`${layer}.mlp.gate.weight`]: [experts, hidden],
            ...(queries ? { [`${layer}.mlp.gate.e_score_correction_bias`]: [experts] } : {}),
            ...gated(`${layer}.mlp.shared_experts`, shared),
            ...joined(experts, (index) => gated(`${layer}.mlp.experts.${index}`, expert)),
          }),
    };
  };
  return {
    'model.embed_tokens.weight': [vocabulary, hidden],
    'model.norm.weight': [hidden],
    'lm_head.weight': [vocabulary, hidden],
    ...joined(blocks + (further ?? 0), block),
  };
}

const liteSizes: Sizes = {
  hidden: 2048,
  inner: 10944,
  expert: 1408,
  shared: 2816,
  experts: 64,
  dense: 1,
  blocks: 27,
  heads: 16,
  vocabulary: 102400,
};
const liteShapes = shapesFor(liteSizes);
const thirdShapes = shapesFor({
  hidden: 7168,
  inner: 18432,
  expert: 2048,
  shared: 2048,
  experts: 8,
  dense: 3,
  blocks: 4,
  heads: 128,
  vocabulary: 129280,
  queries: 1536,
  further: 1,
});

const convert = (config: object, tensors: Record<string, readonly number[]>) =>
  convertCheckpoint(describeTensors(tensors, 'BF16'), config as Record<string, unknown>, 'config.json');

describe('deepseek2 conversion', () => {
  it('names what V2 Lite has, dense block first, experts merged', () => {
    const ours = shapesOf(convert(lite, liteShapes));
    expect(Object.keys(ours)).toHaveLength(3 + 11 + 26 * 15);
    expect(ours).toMatchObject({
      'blk.0.ffn_gate.weight': [10944, 2048],
      'blk.26.attn_q.weight': [3072, 2048],
      'blk.26.attn_kv_a_mqa.weight': [576, 2048],
      'blk.26.attn_kv_a_norm.weight': [512],
      'blk.26.attn_k_b.weight': [16, 512, 128],
      'blk.26.attn_v_b.weight': [16, 128, 512],
      'blk.26.attn_output.weight': [2048, 2048],
      'blk.26.ffn_gate_inp.weight': [64, 2048],
      'blk.26.ffn_down_exps.weight': [64, 2048, 1408],
      'blk.26.ffn_up_exps.weight': [64, 1408, 2048],
      'blk.26.ffn_gate_shexp.weight': [2816, 2048],
      'blk.26.ffn_down_shexp.weight': [2048, 2816],
    });
  });

  it('splits keys and values of each head and transposes the keys', () => {
    const converted = convert(lite, liteShapes);
    const heads = Array.from({ length: 16 }, (_, head) => head * 256);
    expect(rowsOf(converted, 'blk.3.attn_k_b.weight')).toEqual(heads.map((first) => [first, 128]));
    expect(rowsOf(converted, 'blk.3.attn_v_b.weight')).toEqual(heads.map((first) => [first + 128, 128]));
    const moved = converted.tensors.filter(({ name, unit }) => unit && name.startsWith('blk.3.'));
    expect(moved.map(({ name, unit }) => [name, unit])).toEqual([
      ['blk.3.attn_k_b.weight', { rows: 128, order: 'transpose', takesOutputs: true }],
    ]);
  });

  it('writes the hyper-parameters of V2 Lite', () => {
    const { 'deepseek2.rope.scaling.yarn_log_multiplier': multiplier, ...others } = keyValuesOf(
      convert(lite, liteShapes),
    );
    expect(multiplier).toBeCloseTo(0.0707, 10);
    expect(others).toEqual({
      'deepseek2.vocab_size': 102400,
      'deepseek2.context_length': 163840,
      'deepseek2.embedding_length': 2048,
      'deepseek2.block_count': 27,
      'deepseek2.feed_forward_length': 10944,
      'deepseek2.attention.head_count': 16,
      'deepseek2.attention.head_count_kv': 1,
      'deepseek2.attention.q_lora_rank': 0,
      'deepseek2.attention.kv_lora_rank': 512,
      'deepseek2.attention.key_length': 576,
      'deepseek2.attention.value_length': 512,
      'deepseek2.attention.key_length_mla': 192,
      'deepseek2.attention.value_length_mla': 128,
      'deepseek2.attention.layer_norm_rms_epsilon': 1e-6,
      'deepseek2.rope.dimension_count': 64,
      'deepseek2.rope.freq_base': 10000,
      'deepseek2.rope.scaling.type': 'yarn',
      'deepseek2.rope.scaling.factor': 40,
      'deepseek2.rope.scaling.original_context_length': 4096,
      'deepseek2.leading_dense_block_count': 1,
      'deepseek2.expert_count': 64,
      'deepseek2.expert_used_count': 6,
      'deepseek2.expert_shared_count': 2,
      'deepseek2.expert_feed_forward_length': 1408,
      'deepseek2.expert_weights_scale': 1,
      'deepseek2.expert_weights_norm': false,
      'deepseek2.expert_gating_func': 1,
    });
  });

  it('takes V3 by the defaults of its class and leaves out the layer that predicts further tokens', () => {
    const converted = convert(third, thirdShapes);
    const ours = shapesOf(converted);
    expect(ours).toMatchObject({
      'blk.3.exp_probs_b.bias': [8],
      'blk.3.attn_q_a.weight': [1536, 7168],
      'blk.3.attn_q_a_norm.weight': [1536],
      'blk.3.attn_q_b.weight': [24576, 1536],
      'blk.3.attn_k_b.weight': [128, 512, 128],
    });
    expect(Object.keys(ours).filter((name) => /^blk\.([0-2]\.exp_probs_b|4\.)/.test(name))).toEqual([]);
    expect(keyValuesOf(converted)).toMatchObject({
      'deepseek2.attention.q_lora_rank': 1536,
      'deepseek2.leading_dense_block_count': 3,
      'deepseek2.expert_weights_scale': 2.5,
      'deepseek2.expert_weights_norm': true,
      'deepseek2.expert_gating_func': 2,
      'deepseek2.expert_group_count': 8,
      'deepseek2.expert_group_used_count': 4,
      'deepseek2.rope.scaling.yarn_log_multiplier': 0.1,
    });
  });

  it('knows V3 by its model type, and rope without a stretch', () => {
    const typed = { ...third, architectures: undefined, rope_scaling: null };
    expect(keyValuesOf(convert(typed, thirdShapes))).toMatchObject({ 'deepseek2.expert_gating_func': 2 });
    const rope_parameters = { rope_type: 'default', rope_theta: 50000 };
    const plain = keyValuesOf(convert({ ...typed, rope_parameters }, thirdShapes));
    expect(plain).toMatchObject({ 'deepseek2.rope.freq_base': 50000 });
    expect(Object.keys(plain).filter((key) => key.includes('scaling'))).toEqual([]);
  });

  it('has the usual ramp of YaRN where its own is another, and says so', () => {
    const kimi = { ...third, model_type: 'kimi_k2', n_group: 1, topk_group: 1, num_nextn_predict_layers: 1 };
    const rope_scaling = { ...kimi.rope_scaling, beta_fast: 1, beta_slow: 1 };
    const own = convert({ ...kimi, rope_scaling }, thirdShapes);
    expect(keyValuesOf(own)).toEqual(keyValuesOf(convert(kimi, thirdShapes)));
    expect(own.notes).toEqual([expect.stringMatching(/^YaRN begins and ends at other frequencies/)]);
    expect(own.divisors!.some((divisor) => divisor < 0.9)).toBe(true);
    expect(convert(kimi, thirdShapes).notes).toEqual([]);
  });

  it('writes groups of experts for the method that has them', () => {
    const change = { topk_method: 'group_limited_greedy', n_group: 8, topk_group: 3 };
    expect(keyValuesOf(convert({ ...lite, ...change }, liteShapes))).toMatchObject({
      'deepseek2.expert_group_count': 8,
      'deepseek2.expert_group_used_count': 3,
    });
  });

  it.each([
    [{ q_lora_rank: 1536 }, /"q_lora_rank" is 1536 with 27 blocks/],
    [{ rope_scaling: { ...yarn, mscale: 1 } }, /"rope_scaling\.mscale" is 1; GGUF can express 0\.707/],
    [{ rope_scaling: { ...yarn, mscale_all_dim: undefined } }, /YaRN without "mscale_all_dim"/],
    [{ rope_scaling: { ...yarn, mscale_all_dim: 0 } }, /YaRN without "mscale_all_dim"/],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, /"linear" cannot be exported.*yarn/],
    [{ norm_topk_prob: true }, /norm_topk_prob/],
    [{ scoring_func: 'sigmoid' }, /scoring_func.*"softmax"/],
    [{ topk_method: 'noaux_tc' }, /topk_method/],
    [{ moe_layer_freq: 2 }, /moe_layer_freq/],
    [{ attention_bias: true }, /attention_bias/],
    [{ n_shared_experts: 0 }, /n_shared_experts/],
    [{ num_experts_per_tok: undefined }, /num_experts_per_tok/],
  ])('rejects %j', (change, message) => {
    expect(() => convert({ ...lite, ...change }, liteShapes)).toThrow(message);
  });
});
