import { gatingFunctions } from '../keyValues';
import {
  bias,
  deepseek,
  deepseekExperts,
  ernieExperts,
  gatedDelta,
  graniteDecoder,
  isGrouped,
  localExperts,
  partlyRotated,
  qwenExperts,
  rmsDecoder,
  ropeSections,
  sharedExpert,
} from './configParts';
import type { ConfigRow } from './configRow';
import type { Fields } from './ropeFields';

/** Classes with experts. */
export const mixtureRows: readonly ConfigRow[] = [
  {
    className: 'MixtralForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...localExperts(facts),
      sliding_window: null,
    }),
  },
  {
    className: 'Qwen2MoeForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...qwenExperts(facts),
      norm_topk_prob: false,
      qkv_bias: bias(facts, 'attn_q'),
      ...sharedExpert(facts),
    }),
  },
  {
    className: 'Qwen3MoeForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), ...qwenExperts(facts), norm_topk_prob: true }),
  },
  {
    className: 'DeepseekV2ForCausalLM',
    fits: (facts) => facts.number('expert_gating_func') !== gatingFunctions.sigmoid,
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
    className: 'DeepseekV32ForCausalLM',
    fields: (facts) => ({
      ...deepseek(facts),
      ...{ scoring_func: 'sigmoid', topk_method: 'noaux_tc', num_nextn_predict_layers: 0 },
      index_n_heads: facts.number('attention.indexer.head_count'),
      index_head_dim: facts.number('attention.indexer.key_length'),
      index_topk: facts.number('attention.indexer.top_k'),
    }),
  },
  {
    className: 'Glm4MoeForCausalLM',
    fields: (facts) => ({
      ...partlyRotated(facts),
      ...deepseekExperts(facts),
      ...{ n_group: 1, topk_group: 1, num_nextn_predict_layers: 0 },
      use_qk_norm: facts.has('blk.0.attn_q_norm.weight'),
    }),
  },
  {
    className: 'GraniteMoeForCausalLM',
    fits: (facts) => facts.number('expert_shared_feed_forward_length') === undefined,
    fields: (facts) => ({
      ...graniteDecoder(facts),
      ...localExperts(facts),
    }),
  },
  {
    className: 'GraniteMoeSharedForCausalLM',
    fits: (facts) => facts.flag('rope.scaling.finetuned') === undefined,
    fields: (facts) => ({
      ...graniteDecoder(facts),
      ...localExperts(facts),
      shared_intermediate_size: facts.number('expert_shared_feed_forward_length'),
    }),
  },
  {
    className: 'Ernie4_5_MoeForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), ...ernieExperts(facts) }),
  },
  {
    className: 'HunYuanMoEV1ForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      num_experts: facts.number('expert_count'),
      moe_topk: facts.number('expert_used_count'),
    }),
  },
  {
    className: 'Qwen3NextForCausalLM',
    fields: (facts) => ({
      ...gatedDelta(facts),
      ...qwenExperts(facts),
      ...sharedExpert(facts),
      norm_topk_prob: true,
    }),
  },
  {
    className: 'Qwen3_5MoeForCausalLM',
    isFused: true,
    fields: (facts) => ({
      ...gatedDelta(facts),
      ...ropeSections(facts),
      ...qwenExperts(facts),
      ...sharedExpert(facts),
    }),
  },
  {
    className: 'OlmoeForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      num_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
      norm_topk_prob: false,
    }),
  },
  {
    className: 'MiniMaxM2ForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...localExperts(facts),
      ...{ scoring_func: 'sigmoid', use_qk_norm: true, qk_norm_type: 'per_layer', use_routing_bias: true },
      rotary_dim: facts.number('rope.dimension_count'),
    }),
  },
  {
    className: 'Llama4ForCausalLM',
    isFused: true,
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...localExperts(facts),
      intermediate_size_mlp: facts.number('feed_forward_length'),
      intermediate_size: facts.number('expert_feed_forward_length'),
      interleave_moe_layer_step: facts.number('interleave_moe_layer_step'),
      // What llama.cpp has built in, and takes from the number of experts.
      ...{ attention_chunk_size: 8192, attn_temperature_tuning: true, floor_scale: 8192, attn_scale: 0.1 },
      use_qk_norm: facts.number('expert_count') !== 128,
    }),
  },
  {
    className: 'GptOssForCausalLM',
    isFused: true,
    fields: (facts) => {
      const { rope_scaling: scaling, ...rest } = rmsDecoder(facts);
      // Between pairs, as in all published models; llama.cpp rounds to whole ones, and files do not say.
      const rope_scaling = scaling && { ...(scaling as Fields), truncate: false };
      return {
        ...{ ...rest, ...localExperts(facts), rope_scaling },
        ...{ attention_bias: true, swiglu_limit: 7 },
        sliding_window: facts.number('attention.sliding_window'),
      };
    },
  },
];
