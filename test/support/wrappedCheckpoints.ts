import {
  architecture,
  attention,
  block,
  blocks,
  gatedMlp,
  headNorms,
  hidden,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  outer,
  vocabulary,
  wide,
  withBiases,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** A model whose language part has its own object in config.json, and names of tensors behind a prefix. */
interface Wrapper {
  readonly class: string;
  readonly type: string;
  /** The prefix of names that replaces "model."; "lm_head" has it, too. */
  readonly prefix: string;
  readonly head?: string;
  /** Tensors of the vision part. */
  readonly vision: Shapes;
  readonly config?: object;
}

const wrapped = (
  { config, shapes }: CheckpointSpec,
  { class: name, type, prefix, head = '', vision, config: more = {} }: Wrapper,
): CheckpointSpec => {
  const outside = new Set(['architectures', 'tie_word_embeddings']);
  const text = Object.fromEntries(Object.entries(config).filter(([key]) => !outside.has(key)));
  const tied = config['tie_word_embeddings'];
  const renamed = Object.entries(shapes).map(([tensor, shape]) => [
    tensor.startsWith('model.') ? tensor.replace('model.', prefix) : `${head}${tensor}`,
    shape,
  ]);
  return {
    config: {
      ...architecture(name, type),
      ...{ text_config: text, vision_config: { depth: 2 }, tie_word_embeddings: tied },
      ...more,
    },
    shapes: { ...(Object.fromEntries(renamed) as Shapes), ...vision },
  };
};

/** Queries grow from the sixteenth position on. */
export const mistral3 = wrapped(
  {
    config: llamaConfig({
      ...{ model_type: 'ministral3', head_dim: 16, max_position_embeddings: 256, rope_theta: undefined },
      rope_parameters: {
        ...{ rope_type: 'yarn', rope_theta: 10_000, factor: 16, original_max_position_embeddings: 16 },
        ...{ max_position_embeddings: 256, beta_fast: 32, beta_slow: 1, mscale: 1, mscale_all_dim: 1 },
        llama_4_scaling_beta: 0.1,
      },
    }),
    shapes: llamaShapes(),
  },
  {
    class: 'Mistral3ForConditionalGeneration',
    type: 'mistral3',
    prefix: 'language_model.model.',
    head: 'language_model.',
    vision: {
      'vision_tower.patch_conv.weight': [32, 3, 4, 4],
      'multi_modal_projector.linear_1.weight': [hidden, 32],
    },
    config: { image_token_index: 10, projector_hidden_act: 'gelu', spatial_merge_size: 2 },
  },
);

export const ministral3: CheckpointSpec = {
  config: {
    ...(mistral3.config['text_config'] as Record<string, unknown>),
    ...architecture('Ministral3ForCausalLM', 'ministral3'),
    tie_word_embeddings: false,
  },
  shapes: llamaShapes(),
};

export const mistralSmall = wrapped(
  { config: llamaConfig({ model_type: 'mistral', sliding_window: null }), shapes: llamaShapes() },
  {
    class: 'Mistral3ForConditionalGeneration',
    type: 'mistral3',
    prefix: 'model.language_model.',
    vision: { 'model.vision_tower.patch_conv.weight': [32, 3, 4, 4] },
  },
);

const sections = { type: 'mrope', mrope_section: [2, 3, 3] };
/** llama.cpp 0.5.0 reads no epsilon for this architecture: one that hardly matters. */
const rms_norm_eps = 1e-8;

export const qwen2vl: CheckpointSpec = {
  config: llamaConfig({
    ...architecture('Qwen2VLForConditionalGeneration', 'qwen2_vl'),
    ...{ rope_scaling: sections, use_sliding_window: false, vision_config: { depth: 2 }, rms_norm_eps },
    ...{ image_token_id: 5, video_token_id: 6, vision_start_token_id: 7, vision_end_token_id: 8 },
  }),
  shapes: {
    ...outer(),
    ...blocks(2, withBiases(block(), /[qkv]_proj/)),
    'visual.patch_embed.proj.weight': [32, 3, 2, 4, 4],
    'visual.merger.mlp.0.weight': [hidden, 32],
  },
};

export const qwen25vl = wrapped(
  {
    config: llamaConfig({
      ...{
        model_type: 'qwen2_5_vl_text',
        use_sliding_window: false,
        tie_word_embeddings: true,
        rms_norm_eps,
      },
      rope_theta: undefined,
      rope_parameters: { rope_type: 'default', rope_theta: 1_000_000, mrope_section: [2, 3, 3] },
    }),
    shapes: { ...outer(true), ...blocks(2, withBiases(block(), /[qkv]_proj/)) },
  },
  {
    class: 'Qwen2_5_VLForConditionalGeneration',
    type: 'qwen2_5_vl',
    prefix: 'model.language_model.',
    vision: { 'model.visual.patch_embed.proj.weight': [32, 3, 2, 4, 4] },
  },
);

const third = (change: object): Record<string, unknown> =>
  llamaConfig({
    ...{ head_dim: 32, rms_norm_eps: 1e-6, rope_theta: 5_000_000, attention_bias: false },
    rope_scaling: { rope_type: 'default', mrope_interleaved: true, mrope_section: [6, 5, 5] },
    ...change,
  });
const thirdWrapper = {
  prefix: 'model.language_model.',
  vision: { 'model.visual.patch_embed.proj.weight': [32, 3, 2, 4, 4] },
  config: { vision_config: { depth: 2, deepstack_visual_indexes: [0, 1] } },
};

export const qwen3vl = wrapped(
  {
    config: third({ model_type: 'qwen3_vl_text', num_hidden_layers: 3 }),
    shapes: { ...outer(), ...blocks(3, { ...block({ head: 32 }), ...headNorms(32) }) },
  },
  { class: 'Qwen3VLForConditionalGeneration', type: 'qwen3_vl', ...thirdWrapper },
);

export const qwen3vlmoe = wrapped(
  {
    config: third({
      ...{ model_type: 'qwen3_vl_moe_text', num_experts: 4, num_experts_per_tok: 2 },
      ...{ moe_intermediate_size: 48, norm_topk_prob: true, decoder_sparse_step: 1, mlp_only_layers: [] },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...attention({ head: 32 }),
        ...headNorms(32),
        'mlp.gate.weight': [4, hidden],
        'mlp.experts.gate_up_proj': [4, hidden, 96],
        'mlp.experts.down_proj': [4, 48, hidden],
      }),
    },
  },
  { class: 'Qwen3VLMoeForConditionalGeneration', type: 'qwen3_vl_moe', ...thirdWrapper },
);

export const smolVlm = wrapped(
  { config: llamaConfig(), shapes: llamaShapes() },
  {
    class: 'SmolVLMForConditionalGeneration',
    type: 'smolvlm',
    prefix: 'model.text_model.',
    vision: {
      'model.vision_model.embeddings.patch_embedding.weight': [32, 3, 4, 4],
      'model.connector.modality_projection.proj.weight': [hidden, 32],
    },
    config: { scale_factor: 4 },
  },
);

/** Names as Mistral publishes them; rows of queries and keys in the order of llama.cpp. */
const consolidatedShapes: Shapes = {
  'tok_embeddings.weight': [vocabulary, hidden],
  'norm.weight': [hidden],
  'output.weight': [vocabulary, hidden],
  ...blocks(
    2,
    {
      'attention_norm.weight': [hidden],
      'ffn_norm.weight': [hidden],
      'attention.wq.weight': [hidden, hidden],
      'attention.wk.weight': [32, hidden],
      'attention.wv.weight': [32, hidden],
      'attention.wo.weight': [hidden, hidden],
      'feed_forward.w1.weight': [wide, hidden],
      'feed_forward.w2.weight': [hidden, wide],
      'feed_forward.w3.weight': [wide, hidden],
    },
    'layers',
  ),
};
const params = (change: object): Record<string, unknown> => ({
  ...{ model_type: 'mistral_params', dim: hidden, n_layers: 2, head_dim: 16, hidden_dim: wide, n_heads: 4 },
  ...{ n_kv_heads: 2, norm_eps: 1e-5, vocab_size: vocabulary, rope_theta: 10_000 },
  ...change,
});

export const consolidated: CheckpointSpec = {
  config: params({ max_seq_len: 256 }),
  shapes: consolidatedShapes,
  consolidated: true,
};

/** Scaled by position, with a ramp of YaRN that llama.cpp does not have built in; the output is the embedding. */
export const consolidatedTempered: CheckpointSpec = {
  config: params({
    ...{ max_position_embeddings: 256, tied_embeddings: true, use_biases: false },
    ...{ yarn: { original_max_position_embeddings: 16, factor: 16, apply_scale: false, beta: 4, alpha: 1 } },
    llama_4_scaling: { original_max_position_embeddings: 16, beta: 0.1 },
    vision_encoder: { hidden_size: 32 },
  }),
  shapes: {
    ...Object.fromEntries(Object.entries(consolidatedShapes).filter(([name]) => name !== 'output.weight')),
    'vision_encoder.patch_conv.weight': [32, 3, 4, 4],
    'vision_language_adapter.w_in.weight': [hidden, 32],
  },
  consolidated: true,
};

/** Blocks with and without experts in turn; the fourth has no positions. */
export const llama4 = wrapped(
  {
    config: llamaConfig({
      ...{ model_type: 'llama4_text', num_hidden_layers: 4, head_dim: 16, intermediate_size: 48 },
      ...{ intermediate_size_mlp: wide, num_local_experts: 4, num_experts_per_tok: 1 },
      ...{ interleave_moe_layer_step: 2, moe_layers: [1, 3], no_rope_layers: [1, 1, 1, 0] },
      ...{ attention_chunk_size: 8192, attn_temperature_tuning: true, floor_scale: 8192, attn_scale: 0.1 },
      ...{ use_qk_norm: true, attention_bias: false, router_aux_loss_coef: 0.001 },
      rope_scaling: {
        ...{ rope_type: 'llama3', factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
        original_max_position_embeddings: 32,
      },
    }),
    shapes: {
      ...outer(),
      ...blocks(4, (index) => ({
        ...llamaNorms,
        ...attention(),
        ...(index % 2 === 0
          ? gatedMlp('feed_forward')
          : {
              'feed_forward.router.weight': [4, hidden],
              'feed_forward.experts.gate_up_proj': [4, hidden, 96],
              'feed_forward.experts.down_proj': [4, 48, hidden],
              ...gatedMlp('feed_forward.shared_expert', 48),
            }),
      })),
    },
  },
  {
    class: 'Llama4ForConditionalGeneration',
    type: 'llama4',
    prefix: 'language_model.model.',
    head: 'language_model.',
    vision: {
      'vision_model.class_embedding': [32],
      'multi_modal_projector.linear_1.weight': [hidden, 32],
    },
  },
);
