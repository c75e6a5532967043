import { longRope, ropeScaling, type Fields } from './ropeFields';
import type { GgufFacts } from './ggufFacts';

/** How the config.json of a class follows from a GGUF file. */
export interface ConfigRow {
  /** Class that is written as `architectures`; its description says the rest. */
  readonly className: string;
  /** Whether the file can be of the class, where others have the same architecture in GGUF. */
  fits?(facts: GgufFacts): boolean;
  /** Fields besides those that every config.json has. */
  fields(facts: GgufFacts): Fields;
  /** What the names of tensors begin with, heads aside; the shortest prefix of the description when absent. */
  readonly prefix?: string;
}

/** The numbers that nearly every decoder has, under llama's names. */
function decoder(facts: GgufFacts): Fields {
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

const rmsDecoder = (facts: GgufFacts): Fields => ({
  ...decoder(facts),
  rms_norm_eps: facts.number('attention.layer_norm_rms_epsilon'),
});

const layerNorm = (facts: GgufFacts, key: string): Fields => ({
  [key]: facts.number('attention.layer_norm_epsilon'),
});

/** The share of a head that is rotated. */
function rotatedShare(facts: GgufFacts): number | undefined {
  const heads = facts.number('attention.head_count') ?? 1;
  const size = facts.number('attention.key_length') ?? (facts.number('embedding_length') ?? 0) / heads;
  const rotated = facts.number('rope.dimension_count');
  return rotated === undefined ? undefined : rotated / size;
}

const bias = (facts: GgufFacts, part: string): boolean => facts.has(`blk.0.${part}.bias`);

const llamaBiases = (facts: GgufFacts): Fields => ({
  attention_bias: (bias(facts, 'attn_q') && bias(facts, 'attn_output')) || undefined,
  mlp_bias: (bias(facts, 'ffn_gate') && bias(facts, 'ffn_down')) || undefined,
});

const qwenExperts = (facts: GgufFacts): Fields => ({
  num_experts: facts.number('expert_count'),
  num_experts_per_tok: facts.number('expert_used_count'),
  moe_intermediate_size: facts.number('expert_feed_forward_length'),
});

/** Gemma divides scores by the root of the head size, except in the model of so many blocks. */
const attentionScale = (facts: GgufFacts, largeBlocks?: number): Fields => ({
  query_pre_attn_scalar:
    facts.number('block_count') === largeBlocks
      ? Math.trunc((facts.number('embedding_length') ?? 0) / (facts.number('attention.head_count') ?? 1))
      : facts.number('attention.key_length'),
});

const gemma = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  hidden_activation: 'gelu_pytorch_tanh',
});

/** Multi-head latent attention and experts of DeepSeek. */
function deepseek(facts: GgufFacts): Fields {
  const { rope_scaling: scaling, ...rest } = rmsDecoder(facts);
  const rank = facts.number('attention.q_lora_rank') ?? 0;
  const rotated = facts.number('rope.dimension_count') ?? 0;
  const multiplier = facts.number('rope.scaling.yarn_log_multiplier');
  const all = multiplier === undefined ? undefined : shortened(multiplier * 10);
  const groups = facts.number('expert_group_count');
  return {
    ...rest,
    head_dim: undefined,
    num_key_value_heads: facts.number('attention.head_count'),
    q_lora_rank: rank === 0 ? null : rank,
    kv_lora_rank: facts.number('attention.kv_lora_rank'),
    qk_rope_head_dim: rotated,
    qk_nope_head_dim: (facts.number('attention.key_length_mla') ?? 0) - rotated,
    v_head_dim: facts.number('attention.value_length_mla'),
    first_k_dense_replace: facts.number('leading_dense_block_count'),
    n_routed_experts: facts.number('expert_count'),
    num_experts_per_tok: facts.number('expert_used_count'),
    n_shared_experts: facts.number('expert_shared_count'),
    moe_intermediate_size: facts.number('expert_feed_forward_length'),
    routed_scaling_factor: facts.number('expert_weights_scale'),
    norm_topk_prob: facts.flag('expert_weights_norm'),
    n_group: groups,
    topk_group: facts.number('expert_group_used_count'),
    ...(scaling ? { rope_scaling: { ...(scaling as Fields), mscale: all, mscale_all_dim: all } } : {}),
  };
}

const shortened = (value: number): number => Number(value.toPrecision(6));

const isGrouped = (facts: GgufFacts): boolean => facts.number('expert_group_count') !== undefined;
const sigmoid = 2;

/** One row for each class that a GGUF file can become; those of one architecture are tried in this order. */
export const configRows: readonly ConfigRow[] = [
  {
    className: 'LlamaForCausalLM',
    fits: (facts) => facts.number('expert_count') === undefined,
    fields: (facts) => ({ ...rmsDecoder(facts), ...llamaBiases(facts), hidden_act: 'silu' }),
  },
  {
    className: 'MixtralForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      num_local_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
      sliding_window: null,
    }),
  },
  {
    className: 'GemmaForCausalLM',
    fields: (facts) => ({ ...gemma(facts), hidden_act: 'gelu_pytorch_tanh' }),
  },
  {
    className: 'Gemma2ForCausalLM',
    fields: (facts) => ({
      ...gemma(facts),
      ...attentionScale(facts, 46),
      attn_logit_softcapping: facts.number('attn_logit_softcapping'),
      final_logit_softcapping: facts.number('final_logit_softcapping'),
      sliding_window: facts.number('attention.sliding_window'),
    }),
  },
  {
    className: 'Gemma3ForCausalLM',
    fields: (facts) => ({
      ...gemma(facts),
      ...attentionScale(facts, 62),
      rope_local_base_freq: facts.number('rope.freq_base_swa'),
      sliding_window: facts.number('attention.sliding_window'),
      sliding_window_pattern: facts.number('attention.sliding_window_pattern') ?? 6,
      final_logit_softcapping: facts.number('final_logit_softcapping'),
    }),
  },
  { className: 'Olmo2ForCausalLM', fields: rmsDecoder },
  { className: 'Qwen2ForCausalLM', fields: rmsDecoder },
  {
    className: 'Qwen2MoeForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...qwenExperts(facts),
      norm_topk_prob: false,
      qkv_bias: bias(facts, 'attn_q'),
      shared_expert_intermediate_size: facts.number('expert_shared_feed_forward_length'),
    }),
  },
  { className: 'Qwen3ForCausalLM', fields: rmsDecoder },
  {
    className: 'Qwen3MoeForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), ...qwenExperts(facts), norm_topk_prob: true }),
  },
  {
    className: 'SmolLM3ForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), no_rope_layer_interval: 4 }),
  },
  {
    className: 'CohereForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      logit_scale: facts.number('logit_scale'),
      use_qk_norm: facts.has('blk.0.attn_q_norm.weight'),
    }),
  },
  {
    className: 'DeepseekV2ForCausalLM',
    fits: (facts) => facts.number('expert_gating_func') !== sigmoid,
    fields: (facts) => ({
      ...deepseek(facts),
      scoring_func: 'softmax',
      topk_method: isGrouped(facts) ? 'group_limited_greedy' : 'greedy',
    }),
  },
  {
    className: 'DeepseekV3ForCausalLM',
    fields: (facts) => ({
      ...deepseek(facts),
      ...{ scoring_func: 'sigmoid', topk_method: 'noaux_tc', num_nextn_predict_layers: 0 },
    }),
  },
  {
    className: 'FalconForCausalLM',
    fields: (facts) => {
      const { intermediate_size, num_key_value_heads: kvHeads, ...rest } = decoder(facts);
      const norms = facts.has('blk.0.attn_norm_2.weight') ? 2 : 1;
      const isGroupedHeads = kvHeads !== 1;
      return {
        ...rest,
        head_dim: undefined,
        ...layerNorm(facts, 'layer_norm_epsilon'),
        ...{ ffn_hidden_size: intermediate_size, alibi: false, bias: false, parallel_attn: true },
        ...(isGroupedHeads
          ? { new_decoder_architecture: true, num_kv_heads: kvHeads, num_ln_in_parallel_attn: norms }
          : { new_decoder_architecture: false, multi_query: true }),
      };
    },
  },
  {
    className: 'GPT2LMHeadModel',
    fields: (facts) => ({
      n_embd: facts.number('embedding_length'),
      n_layer: facts.number('block_count'),
      n_head: facts.number('attention.head_count'),
      n_inner: facts.number('feed_forward_length'),
      n_positions: facts.number('context_length'),
      ...layerNorm(facts, 'layer_norm_epsilon'),
    }),
  },
  {
    className: 'GPTNeoXForCausalLM',
    fields: (facts) => {
      const { rope_theta, ...rest } = decoder(facts);
      return {
        ...rest,
        ...layerNorm(facts, 'layer_norm_eps'),
        ...{ rotary_emb_base: rope_theta, rotary_pct: rotatedShare(facts) },
        use_parallel_residual: facts.flag('use_parallel_residual'),
      };
    },
  },
  {
    className: 'PhiForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      partial_rotary_factor: rotatedShare(facts),
    }),
  },
  {
    className: 'Phi3ForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...longRope(facts),
      sliding_window: facts.number('attention.sliding_window') || null,
      partial_rotary_factor: rotatedShare(facts),
    }),
  },
  {
    className: 'StableLmForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      partial_rotary_factor: rotatedShare(facts),
      use_qkv_bias: bias(facts, 'attn_q'),
      qk_layernorm: facts.has('blk.0.attn_q_norm.weight'),
      use_parallel_residual: facts.flag('use_parallel_residual'),
    }),
  },
  {
    className: 'Starcoder2ForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'norm_epsilon'),
      sliding_window: facts.number('attention.sliding_window') ?? null,
    }),
  },
];
