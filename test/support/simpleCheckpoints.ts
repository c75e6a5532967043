import {
  architecture,
  attention,
  block,
  blocks,
  expertsOf,
  gatedMlp,
  headNorms,
  hidden,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  newer,
  norms,
  outer,
  wide,
  withBiases,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

const exaone4Block: Shapes = {
  ...norms('post_attention_layernorm', 'post_feedforward_layernorm'),
  ...attention(),
  ...headNorms(16),
  ...gatedMlp(),
};

const hunyuan: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('HunYuanDenseV1ForCausalLM', 'hunyuan_v1_dense'),
    ...{ head_dim: 32, attention_bias: false, use_qk_norm: true },
  }),
  shapes: {
    ...outer(),
    ...blocks(2, {
      ...block({ head: 32 }),
      'self_attn.query_layernorm.weight': [32],
      'self_attn.key_layernorm.weight': [32],
    }),
  },
};

const hunyuanMixture = newer(hunyuan, {
  ...architecture('HunYuanMoEV1ForCausalLM', 'hunyuan_v1_moe'),
  ...{ num_experts: 4, moe_topk: [2, 2], moe_intermediate_size: [wide, wide], num_shared_expert: [1, 1] },
  ...{ norm_topk_prob: true, moe_drop_tokens: false },
});

const arcee: CheckpointSpec = {
  config: llamaConfig({ ...architecture('ArceeForCausalLM', 'arcee'), hidden_act: 'relu2' }),
  shapes: {
    ...outer(),
    ...blocks(2, {
      ...llamaNorms,
      ...attention(),
      'mlp.up_proj.weight': [wide, hidden],
      'mlp.down_proj.weight': [hidden, wide],
    }),
  },
};

/** Heads of 16: 8 divisors. */
const longRope = {
  rope_type: 'longrope',
  short_factor: Array.from({ length: 8 }, (_, i) => 1 + 0.1 * i),
  long_factor: Array.from({ length: 8 }, (_, i) => 1 + 2 * i),
  original_max_position_embeddings: 256,
};

const minicpm: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('MiniCPMForCausalLM', 'minicpm'),
    ...{ scale_emb: 12, scale_depth: 1.4, dim_model_base: 16, tie_word_embeddings: true },
  }),
  shapes: { ...outer(true), ...blocks(2, block()) },
};

/** Decoders that differ from llama in a few settings. */
export const simpleCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  'seed-oss': {
    config: llamaConfig({
      ...architecture('SeedOssForCausalLM', 'seed_oss'),
      ...{ attention_bias: true, attention_out_bias: false, head_dim: 32, residual_dropout: 0.1 },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...withBiases(attention({ head: 32 }), /[qkv]_proj/),
        ...gatedMlp(),
      }),
    },
  },
  'ernie 4.5': {
    config: llamaConfig({
      ...architecture('Ernie4_5ForCausalLM', 'ernie4_5'),
      ...{ head_dim: 32, use_bias: false, rope_theta: 500_000, tie_word_embeddings: true },
    }),
    shapes: { ...outer(true), ...blocks(2, block({ head: 32 })) },
  },
  'ernie 4.5 with experts': {
    config: llamaConfig({
      ...architecture('Ernie4_5_MoeForCausalLM', 'ernie4_5_moe'),
      ...{ rope_theta: 500_000, tie_word_embeddings: true, num_hidden_layers: 3, use_bias: false },
      ...{ moe_num_experts: 4, moe_k: 2, moe_intermediate_size: 32, moe_num_shared_experts: 2 },
      ...{ moe_layer_start_index: 1, moe_layer_end_index: 2, moe_layer_interval: 1 },
    }),
    shapes: {
      ...outer(true),
      ...blocks(3, (index) => ({
        ...llamaNorms,
        ...attention(),
        ...(index === 0
          ? gatedMlp()
          : {
              'mlp.gate.weight': [4, hidden],
              'mlp.moe_statics.e_score_correction_bias': [1, 4],
              ...expertsOf(4, 'mlp.experts', 32),
              ...gatedMlp('mlp.shared_experts', 64),
            }),
      })),
      'model.mtp_block.0.input_layernorm.weight': [hidden],
    },
  },
  arcee,
  'arcee with YaRN between pairs': newer(arcee, {
    rope_scaling: { ...yarn, truncate: false },
    max_position_embeddings: 4096,
  }),
  exaone4: {
    config: llamaConfig({ ...architecture('Exaone4ForCausalLM', 'exaone4'), sliding_window: null }),
    shapes: { ...outer(), ...blocks(2, exaone4Block) },
  },
  /** llama.cpp knows windows in models of 64 layers only. */
  'exaone4 with a window': {
    config: llamaConfig({
      ...architecture('Exaone4ForCausalLM', 'exaone4'),
      ...{ num_hidden_layers: 64, sliding_window: 16, sliding_window_pattern: 'LLLG' },
      layer_types: Array.from({ length: 64 }, (_, i) =>
        i % 4 === 3 ? 'full_attention' : 'sliding_attention',
      ),
    }),
    shapes: { ...outer(), ...blocks(64, exaone4Block) },
  },
  minicpm,
  'minicpm4 with LongRoPE': newer(minicpm, { rope_scaling: longRope }),
  hunyuan,
  'hunyuan with alpha': newer(hunyuan, {
    rope_scaling: { type: 'dynamic', alpha: 1000, factor: 1, beta_fast: 32, beta_slow: 1 },
  }),
  'hunyuan with experts': {
    ...hunyuanMixture,
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...attention({ head: 32 }),
        'self_attn.query_layernorm.weight': [32],
        'self_attn.key_layernorm.weight': [32],
        'mlp.gate.wg.weight': [4, hidden],
        ...expertsOf(4, 'mlp.experts'),
        ...gatedMlp('mlp.shared_mlp'),
      }),
    },
  },
  internlm3: {
    config: llamaConfig({
      ...architecture('InternLM3ForCausalLM', 'internlm3'),
      ...{ head_dim: 16, qkv_bias: false, bias: false, rope_scaling: { rope_type: 'dynamic', factor: 6 } },
    }),
    shapes: llamaShapes(),
  },
  'internlm3 with biases': {
    config: llamaConfig({
      ...architecture('InternLM3ForCausalLM', 'internlm3'),
      ...{ qkv_bias: true, bias: true },
    }),
    shapes: { ...outer(), ...blocks(2, withBiases(block(), /_proj/)) },
  },
};
