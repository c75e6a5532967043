import type { GgufFacts } from './ggufFacts';
import { ropeScaling, type Fields } from './ropeFields';

/** The numbers that nearly every decoder has, under llama's names. */
export function decoder(facts: GgufFacts): Fields {
  return {
    hidden_size: facts.number('embedding_length'),
    intermediate_size: facts.number('feed_forward_length'),
    num_hidden_layers: facts.number('block_count'),
    num_attention_heads: facts.number('attention.head_count'),
    num_key_value_heads: facts.number('attention.head_count_kv') ?? facts.number('attention.head_count'),
    head_dim: facts.number('attention.key_length'),
    max_position_embeddings: facts.number('context_length'),
    rope_theta: facts.number('rope.freq_base'),
    rope_scaling: ropeScaling(facts),
  };
}

export const rmsDecoder = (facts: GgufFacts): Fields => ({
  ...decoder(facts),
  rms_norm_eps: facts.number('attention.layer_norm_rms_epsilon'),
});

export const layerNorm = (facts: GgufFacts, key: string): Fields => ({
  [key]: facts.number('attention.layer_norm_epsilon'),
});

/** Entries of a head. */
export const headSize = (facts: GgufFacts): number =>
  facts.number('attention.key_length') ??
  (facts.number('embedding_length') ?? 0) / (facts.number('attention.head_count') ?? 1);

/** The share of a head that is rotated. */
export function rotatedShare(facts: GgufFacts): number | undefined {
  const rotated = facts.number('rope.dimension_count');
  return rotated === undefined ? undefined : rotated / headSize(facts);
}

/** A decoder that rotates a part of each head. */
export const partlyRotated = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  partial_rotary_factor: rotatedShare(facts),
  attention_bias: bias(facts, 'attn_q'),
});

export const bias = (facts: GgufFacts, part: string): boolean => facts.has(`blk.0.${part}.bias`);

export const llamaBiases = (facts: GgufFacts): Fields => ({
  attention_bias: (bias(facts, 'attn_q') && bias(facts, 'attn_output')) || undefined,
  mlp_bias: (bias(facts, 'ffn_gate') && bias(facts, 'ffn_down')) || undefined,
});

export const llama = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  ...llamaBiases(facts),
  hidden_act: 'silu',
});

export const qwenExperts = (facts: GgufFacts): Fields => ({
  num_experts: facts.number('expert_count'),
  num_experts_per_tok: facts.number('expert_used_count'),
  moe_intermediate_size: facts.number('expert_feed_forward_length'),
});

/** Experts after some dense blocks, and one that all tokens go through. */
export const deepseekExperts = (facts: GgufFacts): Fields => ({
  first_k_dense_replace: facts.number('leading_dense_block_count'),
  n_routed_experts: facts.number('expert_count'),
  num_experts_per_tok: facts.number('expert_used_count'),
  n_shared_experts: facts.number('expert_shared_count'),
  moe_intermediate_size: facts.number('expert_feed_forward_length'),
  routed_scaling_factor: facts.number('expert_weights_scale'),
  norm_topk_prob: facts.flag('expert_weights_norm'),
});

/** Multi-head latent attention and experts of DeepSeek. */
export function deepseek(facts: GgufFacts): Fields {
  const { rope_scaling: scaling, ...rest } = rmsDecoder(facts);
  const rank = facts.number('attention.q_lora_rank') ?? 0;
  const rotated = facts.number('rope.dimension_count') ?? 0;
  const multiplier = facts.number('rope.scaling.yarn_log_multiplier');
  const all = multiplier === undefined ? undefined : shortened(multiplier * 10);
  return {
    ...rest,
    head_dim: undefined,
    num_key_value_heads: facts.number('attention.head_count'),
    q_lora_rank: rank === 0 ? null : rank,
    kv_lora_rank: facts.number('attention.kv_lora_rank'),
    qk_rope_head_dim: rotated,
    qk_nope_head_dim: (facts.number('attention.key_length_mla') ?? 0) - rotated,
    v_head_dim: facts.number('attention.value_length_mla'),
    ...deepseekExperts(facts),
    n_group: facts.number('expert_group_count') ?? 1,
    topk_group: facts.number('expert_group_used_count') ?? 1,
    ...(scaling ? { rope_scaling: { ...(scaling as Fields), mscale: all, mscale_all_dim: all } } : {}),
  };
}

const shortened = (value: number): number => Number(value.toPrecision(6));

/** Factors of embeddings, of what each part of a block adds, of scores and logits. */
export const graniteDecoder = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  embedding_multiplier: facts.number('embedding_scale'),
  residual_multiplier: facts.number('residual_scale'),
  attention_multiplier: facts.number('attention.scale'),
  logits_scaling: facts.number('logit_scale'),
});

export const isGrouped = (facts: GgufFacts): boolean => facts.number('expert_group_count') !== undefined;

export function ernieExperts(facts: GgufFacts): Fields {
  const size = facts.number('expert_feed_forward_length') ?? 1;
  return {
    moe_num_experts: facts.number('expert_count'),
    moe_k: facts.number('expert_used_count'),
    moe_intermediate_size: size,
    moe_num_shared_experts: (facts.number('expert_shared_feed_forward_length') ?? 0) / size,
    moe_layer_start_index: facts.number('leading_dense_block_count'),
    moe_layer_interval: facts.number('interleave_moe_layer_step'),
  };
}

/** What is added is divided by the root of the number of layers, and the last states by their size in terms of a base. */
export const minicpmFactors = (facts: GgufFacts): Fields => ({
  scale_emb: facts.number('embedding_scale'),
  scale_depth: shortened((facts.number('residual_scale') ?? 1) * Math.sqrt(facts.number('block_count') ?? 1)),
  dim_model_base: shortened((facts.number('embedding_length') ?? 1) / (facts.number('logit_scale') ?? 1)),
});

/** Gated delta nets between layers of full attention, of whose heads a part is rotated. */
export const gatedDelta = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  partial_rotary_factor: rotatedShare(facts),
  linear_num_key_heads: facts.number('ssm.group_count'),
  linear_num_value_heads: facts.number('ssm.time_step_rank'),
  linear_key_head_dim: facts.number('ssm.state_size'),
  linear_value_head_dim: facts.number('ssm.state_size'),
  linear_conv_kernel_dim: facts.number('ssm.conv_kernel'),
  full_attention_interval: facts.number('full_attention_interval'),
});

/** Positions in a text and in a picture turn parts of a head of their own. */
export function ropeSections(facts: GgufFacts): Fields {
  const sections = facts.list('rope.dimension_sections') ?? [];
  return {
    rope_theta: undefined,
    rope_parameters: {
      rope_type: 'default',
      rope_theta: facts.number('rope.freq_base'),
      mrope_section: sections.slice(0, 3),
      partial_rotary_factor: rotatedShare(facts),
    },
  };
}

/** Experts under Mixtral's names. */
export const localExperts = (facts: GgufFacts): Fields => ({
  num_local_experts: facts.number('expert_count'),
  num_experts_per_tok: facts.number('expert_used_count'),
});

export const sharedExpert = (facts: GgufFacts): Fields => ({
  shared_expert_intermediate_size: facts.number('expert_shared_feed_forward_length'),
});
