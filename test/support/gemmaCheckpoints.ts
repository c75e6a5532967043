import {
  architecture,
  attention,
  blocks,
  gatedMlp,
  headNorms,
  heads,
  hidden,
  norms,
  outer,
  sandwich,
  vocabulary,
  wide,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** llama.cpp has 20 layers with keys and values of their own, and these sizes, built in. */
const [layers, shared, perLayer, rank, streams] = [25, 5, 256, 64, 4];

const perLayerBlock = (size: number): Shapes => ({
  'per_layer_input_gate.weight': [size, hidden],
  'per_layer_projection.weight': [hidden, size],
  ...norms('post_per_layer_input_norm'),
});

const perLayerOuter = (count: number, size: number, tokens = vocabulary): Shapes => ({
  'model.embed_tokens_per_layer.weight': [tokens, count * size],
  'model.per_layer_model_projection.weight': [count * size, hidden],
  'model.per_layer_projection_norm.weight': [size],
});

const further = (name: string): Shapes =>
  Object.fromEntries(
    Array.from({ length: streams - 1 }, (_, i) => [`model.${name}.${i}.weight`, [hidden, hidden]]),
  );

/**
 * @param wide of its feed-forward networks.
 * @param withOwnEmbedding tokens with embeddings of layers: fewer than the vocabulary has, as in the published models.
 */
const gemma3n = (wide: number, withOwnEmbedding: number): CheckpointSpec => ({
  config: {
    ...architecture('Gemma3nForCausalLM', 'gemma3n_text'),
    ...{ hidden_size: hidden, num_attention_heads: heads, num_key_value_heads: 2, head_dim: 32 },
    ...{ num_hidden_layers: layers, num_kv_shared_layers: shared, sliding_window: 16 },
    ...{ intermediate_size: Array.from({ length: layers }, () => wide), rms_norm_eps: 1e-6 },
    ...{ vocab_size: vocabulary, vocab_size_per_layer_input: withOwnEmbedding },
    ...{ hidden_size_per_layer_input: perLayer, laurel_rank: rank, altup_num_inputs: streams },
    ...{ altup_active_idx: 0, altup_coef_clip: 120, altup_correct_scale: true },
    ...{ rope_theta: 1_000_000, rope_local_base_freq: 10_000, max_position_embeddings: 256 },
    ...{ hidden_activation: 'gelu_pytorch_tanh', final_logit_softcapping: 30 },
    layer_types: Array.from({ length: layers }, (_, i) =>
      (i + 1) % 5 === 0 ? 'full_attention' : 'sliding_attention',
    ),
    activation_sparsity_pattern: Array.from({ length: layers }, (_, i) => (i < 10 ? 0.95 : 0)),
  },
  shapes: {
    ...outer(true),
    ...perLayerOuter(layers, perLayer, withOwnEmbedding),
    ...further('altup_projections'),
    ...further('altup_unembed_projections'),
    ...blocks(layers, {
      ...sandwich,
      ...attention({ head: 32 }),
      ...headNorms(32),
      ...gatedMlp('mlp', wide),
      ...perLayerBlock(perLayer),
      'altup.correct_output_scale': [hidden],
      'altup.correction_coefs.weight': [streams, streams],
      'altup.prediction_coefs.weight': [streams ** 2, streams],
      'altup.modality_router.weight': [streams, hidden],
      ...norms('altup.router_norm', 'laurel.post_laurel_norm'),
      'laurel.linear_left.weight': [rank, hidden],
      'laurel.linear_right.weight': [hidden, rank],
    }),
  },
  factors: {
    ...{ input_layernorm: 8, modality_router: 64, prediction_coefs: 1 / 8, correction_coefs: 1 / 4 },
  },
});

/**
 * Gemma 3n as llama.cpp computes it, too: so wide that dividing by the number of entries and by one less, as llama.cpp does for their deviation,
 * is nearly the same.
 */
export const wideGemma3n = gemma3n(2048, 1000);

/** Heads of layers with a window, and of those without. */
const [head, globalHead] = [16, 32];

const layerTypes = (...slides: readonly boolean[]): string[] =>
  slides.map((isSliding) => (isSliding ? 'sliding_attention' : 'full_attention'));

const gemma4Config = (types: readonly string[], change: object): Record<string, unknown> => ({
  ...architecture('Gemma4ForCausalLM', 'gemma4_text'),
  ...{ hidden_size: hidden, intermediate_size: 96, num_hidden_layers: types.length, layer_types: types },
  ...{ num_attention_heads: heads, num_key_value_heads: 2, head_dim: head, global_head_dim: globalHead },
  ...{ vocab_size: vocabulary, vocab_size_per_layer_input: vocabulary, hidden_size_per_layer_input: 0 },
  ...{ sliding_window: 16, max_position_embeddings: 256, rms_norm_eps: 1e-6, num_kv_shared_layers: 0 },
  ...{ hidden_activation: 'gelu_pytorch_tanh', tie_word_embeddings: true, use_double_wide_mlp: false },
  ...{ attention_k_eq_v: false, enable_moe_block: false, final_logit_softcapping: 30 },
  rope_parameters: {
    full_attention: { rope_type: 'proportional', partial_rotary_factor: 0.25, rope_theta: 1_000_000 },
    sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
  },
  ...change,
});

/** @param without parts of the attention that the layer does not have. */
const gemma4Block = (size: number, kv: number, wide: number, without: RegExp): Shapes => ({
  ...sandwich,
  ...Object.fromEntries(
    Object.entries({ ...attention({ head: size, kv }), ...headNorms(size) }).filter(
      ([name]) => !without.test(name),
    ),
  ),
  ...gatedMlp('mlp', wide),
  layer_scalar: [1],
});
const none = /^$/;

/** Scores have no factor: norms of queries keep them small. */
const factors = { q_norm: 1 / 4 };

/** The last three layers take keys and values of those before them. */
const gemma4: CheckpointSpec = {
  config: gemma4Config(layerTypes(true, true, false, true, true, false), {
    ...{ hidden_size_per_layer_input: 32, num_kv_shared_layers: 3, use_double_wide_mlp: true },
  }),
  shapes: {
    ...outer(true),
    ...perLayerOuter(6, 32),
    ...blocks(6, (index) => ({
      ...gemma4Block(
        index % 3 === 2 ? globalHead : head,
        2,
        index < 3 ? 96 : 192,
        index < 3 ? none : /[kv]_(proj|norm)/,
      ),
      ...perLayerBlock(32),
    })),
  },
  byteFallback: true,
  factors,
};

/** Layers without a window have one head of keys, which are their values, too. */
const gemma4Equal = (change: object = {}, more: Shapes = {}): CheckpointSpec => ({
  config: gemma4Config(layerTypes(true, true, true, false), {
    ...{ attention_k_eq_v: true, num_global_key_value_heads: 1, ...change },
  }),
  shapes: {
    ...outer(true),
    ...blocks(4, (index) => ({
      ...(index === 3 ? gemma4Block(globalHead, 1, 96, /v_proj/) : gemma4Block(head, 2, 96, none)),
      ...more,
    })),
  },
  byteFallback: true,
  factors,
});

const gemma4Mixture = gemma4Equal(
  { enable_moe_block: true, num_experts: 4, top_k_experts: 2, moe_intermediate_size: 32 },
  {
    ...norms('post_feedforward_layernorm_1', 'post_feedforward_layernorm_2', 'pre_feedforward_layernorm_2'),
    'router.proj.weight': [4, hidden],
    'router.scale': [hidden],
    'router.per_expert_scale': [4],
    'experts.gate_up_proj': [4, 64, hidden],
    'experts.down_proj': [4, hidden, 32],
  },
);

/** Models with embeddings for each layer, and the others of their families. */
export const gemmaCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  gemma3n: gemma3n(wide, 300),
  gemma4,
  'gemma4 whose values are keys': gemma4Equal(),
  'gemma4 with experts': gemma4Mixture,
};
