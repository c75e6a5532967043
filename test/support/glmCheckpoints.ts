import {
  architecture,
  attention,
  blocks,
  expertsOf,
  gatedMlp,
  headNorms,
  hidden,
  llamaConfig,
  llamaNorms,
  norms,
  outer,
  wide,
  withBiases,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

const fusedMlp: Shapes = {
  'mlp.gate_up_proj.weight': [2 * wide, hidden],
  'mlp.down_proj.weight': [hidden, wide],
};

export const glm: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('GlmForCausalLM', 'glm'),
    ...{ head_dim: 16, partial_rotary_factor: 0.5, attention_bias: true },
  }),
  shapes: {
    ...outer(),
    ...blocks(2, { ...llamaNorms, ...withBiases(attention(), /[qkv]_proj/), ...fusedMlp }),
  },
};

export const glm4: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('Glm4ForCausalLM', 'glm4'),
    ...{ head_dim: 32, partial_rotary_factor: 0.5, attention_bias: false },
  }),
  shapes: {
    ...outer(),
    ...blocks(2, {
      ...llamaNorms,
      ...norms('post_self_attn_layernorm', 'post_mlp_layernorm'),
      ...attention({ head: 32 }),
      ...fusedMlp,
    }),
  },
};

const mixture: Shapes = {
  'mlp.gate.weight': [8, hidden],
  'mlp.gate.e_score_correction_bias': [8],
  ...expertsOf(8, 'mlp.experts', 32),
  ...gatedMlp('mlp.shared_experts', 32),
};

/** One dense block, then experts, and a layer more that predicts further tokens. */
export const glm4moe = (normed: boolean): CheckpointSpec => ({
  config: llamaConfig({
    ...architecture('Glm4MoeForCausalLM', 'glm4_moe'),
    ...{ num_hidden_layers: 3, head_dim: 32, partial_rotary_factor: 0.5, attention_bias: true },
    ...{ use_qk_norm: normed, first_k_dense_replace: 1, n_routed_experts: 8, num_experts_per_tok: 3 },
    ...{ moe_intermediate_size: 32, n_shared_experts: 1, norm_topk_prob: true, routed_scaling_factor: 1.5 },
    ...{ n_group: 1, topk_group: 1, num_nextn_predict_layers: 1 },
  }),
  shapes: {
    ...outer(),
    ...blocks(3, (index) => ({
      ...llamaNorms,
      ...withBiases(attention({ head: 32 }), /[qkv]_proj/),
      ...(normed ? headNorms(32) : {}),
      ...(index === 0 ? gatedMlp() : mixture),
    })),
    'model.layers.3.eh_proj.weight': [hidden, 2 * hidden],
    'model.layers.3.shared_head.norm.weight': [hidden],
  },
});
