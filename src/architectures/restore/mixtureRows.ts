import {
  bias,
  deepseek,
  deepseekExperts,
  ernieExperts,
  gatedDelta,
  graniteDecoder,
  isGrouped,
  partlyRotated,
  qwenExperts,
  rmsDecoder,
  ropeSections,
  sharedExpert,
  sigmoid,
} from './configParts';
import type { ConfigRow } from './configRow';

/** Classes with experts. */
export const mixtureRows: readonly ConfigRow[] = [
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
      num_local_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
    }),
  },
  {
    className: 'GraniteMoeSharedForCausalLM',
    fields: (facts) => ({
      ...graniteDecoder(facts),
      num_local_experts: facts.number('expert_count'),
      num_experts_per_tok: facts.number('expert_used_count'),
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
];
