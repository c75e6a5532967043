import {
  architecture,
  attention,
  blocks,
  expertsOf,
  gatedMlp,
  heads,
  hidden,
  llamaConfig,
  llamaNorms,
  mamba2Shapes,
  newer,
  norms,
  outer,
  withBiases,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** Over all heads together. */
const jointNorms = (query: number, key: number): Shapes => ({
  'self_attn.q_norm.weight': [query],
  'self_attn.k_norm.weight': [key],
});

const olmo3: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('Olmo3ForCausalLM', 'olmo3'),
    ...{ num_hidden_layers: 4, sliding_window: 16, max_position_embeddings: 4096, rope_scaling: yarn },
    layer_types: ['sliding_attention', 'sliding_attention', 'sliding_attention', 'full_attention'],
  }),
  shapes: {
    ...outer(),
    ...blocks(4, {
      ...norms('post_attention_layernorm', 'post_feedforward_layernorm'),
      ...attention(),
      ...jointNorms(hidden, 32),
      ...gatedMlp(),
    }),
  },
};

const miniMaxExperts: Shapes = Object.assign(
  {},
  ...Array.from({ length: 4 }, (_, expert) => ({
    [`block_sparse_moe.experts.${expert}.w1.weight`]: [32, hidden],
    [`block_sparse_moe.experts.${expert}.w2.weight`]: [hidden, 32],
    [`block_sparse_moe.experts.${expert}.w3.weight`]: [32, hidden],
  })),
) as Shapes;

const nemotronConfig = (change: object): Record<string, unknown> => ({
  ...architecture('NemotronHForCausalLM', 'nemotron_h'),
  ...{
    hidden_size: hidden,
    num_attention_heads: heads,
    num_key_value_heads: 2,
    head_dim: 32,
    vocab_size: 1024,
  },
  ...{ mamba_num_heads: 8, mamba_head_dim: 16, n_groups: 2, ssm_state_size: 16, conv_kernel: 4 },
  ...{ layer_norm_epsilon: 1e-5, mlp_hidden_act: 'relu2', mamba_hidden_act: 'silu', use_conv_bias: true },
  ...{ max_position_embeddings: 256, tie_word_embeddings: false, use_bias: false, mlp_bias: false },
  ...change,
});
const backboneOuter: Shapes = {
  'backbone.embeddings.weight': [1024, hidden],
  'backbone.norm_f.weight': [hidden],
  'lm_head.weight': [1024, hidden],
};
const mixer = mamba2Shapes('mixer', { inner: 128, heads: 8, groups: 2, state: 16 });
const plainNetwork = (prefix: string, size: number): Shapes => ({
  [`${prefix}.up_proj.weight`]: [size, hidden],
  [`${prefix}.down_proj.weight`]: [hidden, size],
});
const mixerAttention: Shapes = Object.fromEntries(
  Object.entries(attention({ head: 32 })).map(([name, shape]) => [name.replace('self_attn', 'mixer'), shape]),
);
const plainExperts: Shapes = {
  'mixer.gate.weight': [4, hidden],
  'mixer.gate.e_score_correction_bias': [4],
  ...plainNetwork('mixer.shared_experts', 48),
  ...(Object.assign(
    {},
    ...Array.from({ length: 4 }, (_, expert) => plainNetwork(`mixer.experts.${expert}`, 32)),
  ) as Shapes),
};
const layersOf = (...layers: readonly Shapes[]): Shapes =>
  blocks(layers.length, (index) => ({ 'norm.weight': [hidden], ...layers[index] }), 'backbone.layers');

/** Models of the last years. */
export const newerCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  olmo3,
  'olmo3, as transformers 5 writes it': newer(
    olmo3,
    {
      rope_parameters: {
        full_attention: { ...yarn, rope_type: 'yarn', rope_theta: 10_000 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    },
    ...['rope_scaling', 'rope_theta', 'layer_types'],
  ),
  olmoe: {
    config: llamaConfig({
      ...architecture('OlmoeForCausalLM', 'olmoe'),
      ...{
        num_key_value_heads: heads,
        num_experts: 4,
        num_experts_per_tok: 2,
        intermediate_size: 32,
        norm_topk_prob: false,
        clip_qkv: null,
      },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...attention({ kv: heads }),
        ...jointNorms(hidden, hidden),
        'mlp.gate.weight': [4, hidden],
        ...expertsOf(4, 'mlp.experts', 32),
      }),
    },
  },
  'minimax-m2': {
    config: llamaConfig({
      ...architecture('MiniMaxM2ForCausalLM', 'minimax_m2'),
      ...{
        num_local_experts: 4,
        num_experts_per_tok: 2,
        intermediate_size: 32,
        head_dim: 32,
        rotary_dim: 16,
      },
      ...{ scoring_func: 'sigmoid', use_qk_norm: true, qk_norm_type: 'per_layer', use_routing_bias: true },
      ...{ shared_intermediate_size: 0, use_mtp: true, num_mtp_modules: 3, attn_type_list: [1, 1] },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...attention({ head: 32 }),
        ...jointNorms(heads * 32, 64),
        'block_sparse_moe.gate.weight': [4, hidden],
        'block_sparse_moe.e_score_correction_bias': [4],
        ...miniMaxExperts,
      }),
    },
  },
  nemotron: {
    config: {
      ...llamaConfig({ ...architecture('NemotronForCausalLM', 'nemotron'), hidden_act: 'relu2' }),
      ...{ norm_eps: 1e-5, rms_norm_eps: undefined, partial_rotary_factor: 0.5 },
    },
    shapes: {
      ...withBiases(outer(), /norm/),
      ...blocks(2, { ...withBiases(llamaNorms, /./), ...attention(), ...plainNetwork('mlp', 96) }),
    },
    shiftedNorms: true,
  },
  cohere2: {
    config: {
      ...llamaConfig({ ...architecture('Cohere2ForCausalLM', 'cohere2'), num_hidden_layers: 4 }),
      ...{ layer_norm_eps: 1e-5, rms_norm_eps: undefined, logit_scale: 0.5, tie_word_embeddings: true },
      ...{ sliding_window: 16, sliding_window_pattern: 4, use_parallel_block: true },
    },
    shapes: {
      ...outer(true),
      ...blocks(4, { ...norms('input_layernorm'), ...attention(), ...gatedMlp() }),
    },
  },
  nemotronh: {
    config: nemotronConfig({ hybrid_override_pattern: 'M-*-', intermediate_size: 96, num_hidden_layers: 4 }),
    shapes: {
      ...backboneOuter,
      ...layersOf(mixer, plainNetwork('mixer', 96), mixerAttention, plainNetwork('mixer', 96)),
    },
  },
  'nemotronh with experts': {
    config: nemotronConfig({
      ...{ layers_block_type: ['linear_attention', 'moe', 'full_attention'], n_group: 1, topk_group: 1 },
      ...{ n_routed_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32, n_shared_experts: 1 },
      ...{ moe_shared_expert_intermediate_size: 48, norm_topk_prob: true, routed_scaling_factor: 2.5 },
    }),
    shapes: { ...backboneOuter, ...layersOf(mixer, plainExperts, mixerAttention) },
  },
};
