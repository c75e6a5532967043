import {
  architecture,
  attention,
  blocks,
  expertsOf,
  gatedMlp,
  headNorms,
  heads,
  hidden,
  llamaConfig,
  llamaNorms,
  mamba2Shapes,
  norms,
  outer,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** Two heads of keys, each shared by three of values. */
const delta = {
  ...{ linear_num_key_heads: 2, linear_num_value_heads: 6, linear_conv_kernel_dim: 4 },
  ...{ linear_key_head_dim: 32, linear_value_head_dim: 32, head_dim: 32 },
};
const deltaHead = 32;
const channels = (2 * 2 + 6) * deltaHead;

const deltaConfig = (name: string, type: string, change: object = {}): Record<string, unknown> => ({
  ...llamaConfig({ ...architecture(name, type), ...delta }),
  ...{ num_hidden_layers: 2, full_attention_interval: 2, rms_norm_eps: 1e-6, rope_theta: undefined },
  ...{ rope_parameters: { rope_type: 'default', rope_theta: 100_000, partial_rotary_factor: 0.25 } },
  ...change,
});

const gatedHeads: Shapes = {
  ...attention({ head: 32 }),
  'self_attn.q_proj.weight': [2 * heads * 32, hidden],
  ...headNorms(32),
};
const mixer: Shapes = {
  'linear_attn.conv1d.weight': [channels, 1, 4],
  'linear_attn.dt_bias': [6],
  'linear_attn.A_log': [6],
  'linear_attn.norm.weight': [deltaHead],
  'linear_attn.out_proj.weight': [hidden, 6 * deltaHead],
};
const grouped: Shapes = {
  ...mixer,
  'linear_attn.in_proj_qkvz.weight': [channels + 6 * deltaHead, hidden],
  'linear_attn.in_proj_ba.weight': [12, hidden],
};
const separate: Shapes = {
  ...mixer,
  'linear_attn.in_proj_qkv.weight': [channels, hidden],
  'linear_attn.in_proj_z.weight': [6 * deltaHead, hidden],
  'linear_attn.in_proj_a.weight': [6, hidden],
  'linear_attn.in_proj_b.weight': [6, hidden],
};
const mixture = {
  ...{ num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32 },
  shared_expert_intermediate_size: 48,
};
const routed: Shapes = {
  'mlp.gate.weight': [4, hidden],
  ...gatedMlp('mlp.shared_expert', 48),
  'mlp.shared_expert_gate.weight': [1, hidden],
};
const fused: Shapes = {
  ...routed,
  'mlp.experts.gate_up_proj': [4, 64, hidden],
  'mlp.experts.down_proj': [4, hidden, 32],
};

/** A block with a delta net, and one with full attention. More layers amplify the rounding of half precision. */
const inTurn = (net: Shapes, mlp: Shapes, prefix?: string): Shapes =>
  blocks(2, (index) => ({ ...llamaNorms, ...(index === 1 ? gatedHeads : net), ...mlp }), prefix);

const sections = {
  rope_parameters: {
    ...{ rope_type: 'default', rope_theta: 100_000, partial_rotary_factor: 0.25 },
    ...{ mrope_interleaved: true, mrope_section: [2, 1, 1] },
  },
};

const lfmNetwork = (prefix: string, size: number): Shapes => ({
  [`${prefix}.w1.weight`]: [size, hidden],
  [`${prefix}.w3.weight`]: [size, hidden],
  [`${prefix}.w2.weight`]: [hidden, size],
});
const lfmConvolution: Shapes = {
  'conv.in_proj.weight': [3 * hidden, hidden],
  'conv.conv.weight': [hidden, 1, 3],
  'conv.out_proj.weight': [hidden, hidden],
};
const lfmAttention: Shapes = {
  ...Object.fromEntries(
    Object.entries(attention()).map(([name, shape]) => [name.replace('o_proj', 'out_proj'), shape]),
  ),
  'self_attn.q_layernorm.weight': [16],
  'self_attn.k_layernorm.weight': [16],
};
const lfmConfig = (name: string, type: string, change: object): Record<string, unknown> => ({
  ...llamaConfig({ ...architecture(name, type), rms_norm_eps: undefined, hidden_act: undefined }),
  ...{ norm_eps: 1e-5, conv_L_cache: 3, conv_bias: false, tie_word_embeddings: true },
  layer_types: ['conv', 'full_attention'],
  ...change,
});
const lfmShapes = (network: (index: number) => Shapes): Shapes => ({
  'model.embed_tokens.weight': [1024, hidden],
  'model.embedding_norm.weight': [hidden],
  ...blocks(2, (index) => ({
    ...norms('operator_norm', 'ffn_norm'),
    ...(index === 0 ? lfmConvolution : lfmAttention),
    ...network(index),
  })),
});

/** None of them 1; products with weights of bfloat16 are exact in half precision. */
const falconFactors = {
  ...{ embedding_multiplier: 1.25, lm_head_multiplier: 1.5, key_multiplier: 0.75 },
  ...{ attention_in_multiplier: 0.5, attention_out_multiplier: 1.25 },
  ...{ ssm_in_multiplier: 0.5, ssm_out_multiplier: 0.625 },
  ...{ mlp_multipliers: [1.75, 0.5], ssm_multipliers: [1.5, 1.25, 1.75, 0.75, 0.5] },
};
const falconConfig = (change: object = {}): Record<string, unknown> => ({
  ...llamaConfig(architecture('FalconH1ForCausalLM', 'falcon_h1')),
  ...{ head_dim: 32, mamba_d_ssm: 96, mamba_n_heads: 6, mamba_d_head: 16, mamba_n_groups: 2 },
  ...{ mamba_d_state: 16, mamba_d_conv: 4, mamba_rms_norm: false, rope_theta: 100_000 },
  ...falconFactors,
  ...change,
});
const falconMixer = mamba2Shapes('mamba', { inner: 96, heads: 6, groups: 2, state: 16 });
const { 'mamba.norm.weight': falconNorm, ...unnormedMixer } = falconMixer;
const falconShapes = (mamba: Shapes, tied: boolean): Shapes => ({
  'model.embed_tokens.weight': [1024, hidden],
  'model.final_layernorm.weight': [hidden],
  ...(tied ? {} : { 'lm_head.weight': [1024, hidden] }),
  ...blocks(2, {
    ...norms('input_layernorm', 'pre_ff_layernorm'),
    ...attention({ head: 32 }),
    ...mamba,
    ...gatedMlp('feed_forward'),
  }),
});

/** Models with layers that are not attention. */
export const hybridCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  lfm2: {
    config: lfmConfig('Lfm2ForCausalLM', 'lfm2', {
      ...{ intermediate_size: 132, block_multiple_of: 32, block_ffn_dim_multiplier: 1 },
      block_auto_adjust_ff_dim: true,
    }),
    shapes: lfmShapes(() => lfmNetwork('feed_forward', 96)),
  },
  'lfm2 with experts': {
    config: lfmConfig('Lfm2MoeForCausalLM', 'lfm2_moe', {
      ...{ num_dense_layers: 1, num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32 },
      ...{ use_expert_bias: true, norm_topk_prob: true, routed_scaling_factor: 1 },
    }),
    shapes: lfmShapes((index) =>
      index === 0
        ? lfmNetwork('feed_forward', 96)
        : {
            'feed_forward.gate.weight': [4, hidden],
            'feed_forward.expert_bias': [4],
            ...(Object.assign(
              {},
              ...Array.from({ length: 4 }, (_, expert) => lfmNetwork(`feed_forward.experts.${expert}`, 32)),
            ) as Shapes),
          },
    ),
  },
  falconh1: { config: falconConfig(), shapes: falconShapes(unnormedMixer, false), dtype: 'F32' },
  'falconh1, tied, with norms of groups': {
    config: falconConfig({
      ...{ mamba_rms_norm: true, mamba_norm_before_gate: false, tie_word_embeddings: true },
      lm_head_multiplier: 0.375,
    }),
    shapes: falconShapes({ ...unnormedMixer, 'mamba.norm.weight': falconNorm! }, true),
    dtype: 'F32',
  },
  mamba2: {
    config: {
      ...architecture('Mamba2ForCausalLM', 'mamba2'),
      ...{
        hidden_size: hidden,
        num_hidden_layers: 2,
        num_heads: 8,
        head_dim: 16,
        n_groups: 2,
        state_size: 16,
      },
      ...{ conv_kernel: 4, expand: 2, layer_norm_epsilon: 1e-5, rms_norm: true, tie_word_embeddings: false },
      ...{ use_bias: false, use_conv_bias: true, hidden_act: 'silu', vocab_size: 1024 },
    },
    shapes: {
      'backbone.embeddings.weight': [1024, hidden],
      'backbone.norm_f.weight': [hidden],
      'lm_head.weight': [1024, hidden],
      ...blocks(
        2,
        {
          'norm.weight': [hidden],
          ...mamba2Shapes('mixer', { inner: 128, heads: 8, groups: 2, state: 16 }),
        },
        'backbone.layers',
      ),
    },
    seed: 1,
  },
  qwen3next: {
    config: deltaConfig('Qwen3NextForCausalLM', 'qwen3_next', { ...mixture, norm_topk_prob: true }),
    shapes: {
      ...outer(),
      ...inTurn(grouped, { ...routed, ...expertsOf(4, 'mlp.experts', 32) }),
      'mtp.fc.weight': [hidden, 2 * hidden],
    },
    shiftedNorms: true,
    seed: 1,
  },
  qwen35: {
    config: deltaConfig('Qwen3_5ForCausalLM', 'qwen3_5_text', {
      ...sections,
      ...{ full_attention_interval: undefined, layer_types: ['linear_attention', 'full_attention'] },
    }),
    shapes: { ...outer(), ...inTurn(separate, gatedMlp()) },
    shiftedNorms: true,
  },
  'qwen35, multimodal': {
    config: {
      ...architecture('Qwen3_5ForConditionalGeneration', 'qwen3_5'),
      tie_word_embeddings: true,
      vision_config: { depth: 1 },
      text_config: {
        ...deltaConfig('Qwen3_5ForCausalLM', 'qwen3_5_text', { ...sections, mtp_num_hidden_layers: 1 }),
        ...{ architectures: undefined, tie_word_embeddings: true },
      },
    },
    shapes: {
      'model.language_model.embed_tokens.weight': [1024, hidden],
      'model.language_model.norm.weight': [hidden],
      ...inTurn(separate, gatedMlp(), 'model.language_model.layers'),
      'model.visual.patch_embed.proj.weight': [8, 8],
      'mtp.fc.weight': [hidden, 2 * hidden],
    },
    shiftedNorms: true,
  },
  qwen35moe: {
    config: deltaConfig('Qwen3_5MoeForCausalLM', 'qwen3_5_moe_text', mixture),
    shapes: { ...outer(), ...inTurn(separate, fused) },
    shiftedNorms: true,
    seed: 2,
  },
};
