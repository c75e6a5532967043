import {
  architecture,
  blocks,
  expertsOf,
  gatedMlp,
  heads,
  hidden,
  llamaConfig,
  llamaNorms,
  outer,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** Multi-head latent attention: a head has `plain` sizes without and 16 with rotation, values have 16. */
export const deepseek = (queryRank: number | null, plain = 16): CheckpointSpec => ({
  config: {
    ...llamaConfig(architecture('DeepseekV2ForCausalLM', 'deepseek_v2')),
    ...{ num_hidden_layers: 3, num_key_value_heads: heads, first_k_dense_replace: 1, moe_layer_freq: 1 },
    ...{ q_lora_rank: queryRank, kv_lora_rank: 32, qk_nope_head_dim: plain, qk_rope_head_dim: 16 },
    ...{ v_head_dim: 16, n_routed_experts: 4, n_shared_experts: 2, num_experts_per_tok: 2 },
    ...{
      moe_intermediate_size: 32,
      norm_topk_prob: false,
      routed_scaling_factor: 1,
      n_group: 1,
      topk_group: 1,
    },
    ...{ scoring_func: 'softmax', topk_method: 'greedy' },
    rms_norm_eps: 1e-6,
    rope_scaling: { ...yarn, factor: 40, mscale: 0.707, mscale_all_dim: 0.707 },
    max_position_embeddings: 40_960,
  },
  shapes: {
    ...outer(),
    ...blocks(3, (index) => ({
      ...llamaNorms,
      ...(queryRank === null
        ? { 'self_attn.q_proj.weight': [heads * (plain + 16), hidden] }
        : {
            'self_attn.q_a_proj.weight': [queryRank, hidden],
            'self_attn.q_a_layernorm.weight': [queryRank],
            'self_attn.q_b_proj.weight': [heads * (plain + 16), queryRank],
          }),
      'self_attn.kv_a_proj_with_mqa.weight': [32 + 16, hidden],
      'self_attn.kv_a_layernorm.weight': [32],
      'self_attn.kv_b_proj.weight': [heads * (plain + 16), 32],
      'self_attn.o_proj.weight': [hidden, heads * 16],
      ...(index === 0
        ? gatedMlp()
        : {
            'mlp.gate.weight': [4, hidden],
            ...expertsOf(4, 'mlp.experts', 32),
            ...gatedMlp('mlp.shared_experts', 64),
          }),
    })),
  },
});

/** Queries see only the tokens that an indexer of two heads selects, which are all in texts of up to 64. */
export const deepseek32 = (): CheckpointSpec => {
  const { config, shapes } = deepseek3();
  return {
    config: {
      ...config,
      ...architecture('DeepseekV32ForCausalLM', 'deepseek_v32'),
      ...{ index_n_heads: 2, index_head_dim: 64, index_topk: 64 },
    },
    shapes: {
      ...shapes,
      ...blocks(3, {
        'self_attn.indexer.wq_b.weight': [2 * 64, 24],
        'self_attn.indexer.wk.weight': [64, hidden],
        'self_attn.indexer.k_norm.weight': [64],
        'self_attn.indexer.k_norm.bias': [64],
        'self_attn.indexer.weights_proj.weight': [2, hidden],
      }),
    },
  };
};

/** One group of experts, and none that predict further tokens. YaRN is the usual one: that of Kimi K2 has no place in GGUF. */
export const kimi = (): CheckpointSpec => {
  const { config, shapes } = deepseek3();
  return {
    config: {
      ...config,
      ...architecture('KimiK2ForCausalLM', 'kimi_k2'),
      ...{ n_group: 1, topk_group: 1, num_nextn_predict_layers: 0, routed_scaling_factor: 2.827 },
      rope_theta: 50_000,
      rope_scaling: { ...yarn, factor: 32, mscale: 1, mscale_all_dim: 1 },
    },
    shapes: Object.fromEntries(Object.entries(shapes).filter(([name]) => !name.includes('layers.3.'))),
  };
};

/** GLM-4.7-Flash: one group of experts, scored by sigmoid with a bias; kinds of blocks as transformers 5 lists them. */
export const glmLite = (): CheckpointSpec => {
  const { config, shapes } = deepseek(24);
  const left = [
    'rope_scaling',
    'first_k_dense_replace',
    'moe_layer_freq',
    'scoring_func',
    'n_shared_experts',
  ];
  return {
    config: {
      ...Object.fromEntries(Object.entries(config).filter(([key]) => !left.includes(key))),
      ...architecture('Glm4MoeLiteForCausalLM', 'glm4_moe_lite'),
      ...{ topk_method: 'noaux_tc', norm_topk_prob: true, routed_scaling_factor: 1.8, rope_theta: 1_000_000 },
      ...{ mlp_layer_types: ['dense', 'sparse', 'sparse'], n_shared_experts: 2 },
    },
    shapes: {
      ...shapes,
      ...blocks(3, (index): Shapes => (index === 0 ? {} : { 'mlp.gate.e_score_correction_bias': [4] })),
    },
  };
};

/** Sigmoid scores with a bias, groups of experts, and a layer more that predicts further tokens. */
export const deepseek3 = (): CheckpointSpec => {
  const { config, shapes } = deepseek(24);
  const mixture: Shapes = {
    'mlp.gate.weight': [8, hidden],
    'mlp.gate.e_score_correction_bias': [8],
    ...expertsOf(8, 'mlp.experts', 32),
  };
  return {
    config: {
      ...config,
      ...architecture('DeepseekV3ForCausalLM', 'deepseek_v3'),
      ...{ n_routed_experts: 8, num_experts_per_tok: 3, n_group: 4, topk_group: 2, topk_method: 'noaux_tc' },
      ...{ scoring_func: 'sigmoid', norm_topk_prob: true, routed_scaling_factor: 2.5 },
      num_nextn_predict_layers: 1,
      rope_scaling: { ...yarn, factor: 40, mscale: 1, mscale_all_dim: 1 },
    },
    shapes: {
      ...shapes,
      ...blocks(3, (index) => (index === 0 ? {} : mixture)),
      'model.layers.3.eh_proj.weight': [hidden, 2 * hidden],
    },
  };
};
