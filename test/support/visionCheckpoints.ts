import { blocks, hidden, vocabulary, type Shapes } from './checkpointParts';
import { checkpoints } from './checkpoints';
import { qwen25vl, qwen2vl, qwen35, qwen3vl, qwen3vlScaled } from './qwenVisionCheckpoints';
import { inner, pair, prefixed, width, withVision, type VisionSpec } from './visionParts';
import * as texts from './wrappedCheckpoints';

const siglip = (prefix: string, patch: number, image: number, count: number): Shapes =>
  prefixed(`${prefix}.`, {
    ...pair('embeddings.patch_embedding', width, 3, patch, patch),
    'embeddings.position_embedding.weight': [Math.floor(image / patch) ** 2, width],
    ...pair('post_layernorm', width),
    ...blocks(
      count,
      {
        ...pair('layer_norm1', width),
        ...pair('layer_norm2', width),
        ...pair('self_attn.q_proj', width, width),
        ...pair('self_attn.k_proj', width, width),
        ...pair('self_attn.v_proj', width, width),
        ...pair('self_attn.out_proj', width, width),
        ...pair('mlp.fc1', inner, width),
        ...pair('mlp.fc2', width, inner),
      },
      'encoder.layers',
    ),
  });

const siglipConfig = (patch: number, image: number) => ({
  ...{ hidden_size: width, intermediate_size: inner, num_attention_heads: 4, num_hidden_layers: 2 },
  ...{ patch_size: patch, image_size: image, hidden_act: 'gelu_pytorch_tanh', layer_norm_eps: 1e-6 },
  ...{ num_channels: 3, model_type: 'siglip_vision_model' },
});

const gemma3Text = checkpoints['gemma3']!;
const gemma3 = withVision(
  {
    ...gemma3Text,
    config: {
      ...{ architectures: ['Gemma3ForConditionalGeneration'], model_type: 'gemma3' },
      text_config: { ...gemma3Text.config, architectures: undefined },
    },
    shapes: prefixed('language_model.', gemma3Text.shapes),
  },
  {
    config: { mm_tokens_per_image: 16, vision_config: { ...siglipConfig(14, 112), vision_use_head: false } },
    shapes: {
      ...siglip('vision_tower.vision_model', 14, 112, 2),
      'multi_modal_projector.mm_input_projection_weight': [width, hidden],
      'multi_modal_projector.mm_soft_emb_norm.weight': [width],
    },
    preprocessor: { size: { height: 112, width: 112 }, image_seq_length: 16, do_pan_and_scan: null },
    image: { width: 112, height: 112 },
  },
);

/** Eight patches of a side, and six pixels that are not seen. */
const smolVlm = withVision(texts.smolVlm, {
  config: { scale_factor: 2, vision_config: siglipConfig(8, 70) },
  shapes: {
    ...siglip('model.vision_model', 8, 70, 2),
    'model.connector.modality_projection.proj.weight': [hidden, 4 * width],
  },
  preprocessor: {
    ...{ size: { longest_edge: 70 }, max_image_size: { longest_edge: 70 } },
    ...{ do_image_splitting: true, do_pad: true },
  },
  image: { width: 70, height: 70 },
  tokens: ['<fake_token_around_image>', '<global-img>', '<row_1_col_1>', '\n\n'],
});

const pixtralTower = (patch: number): Shapes =>
  prefixed('vision_tower.', {
    'patch_conv.weight': [width, 3, patch, patch],
    'ln_pre.weight': [width],
    ...blocks(
      2,
      {
        ...{ 'attention_norm.weight': [width], 'ffn_norm.weight': [width] },
        ...Object.fromEntries(
          ['q', 'k', 'v', 'o'].map((part) => [`attention.${part}_proj.weight`, [width, width]]),
        ),
        'feed_forward.gate_proj.weight': [inner, width],
        'feed_forward.up_proj.weight': [inner, width],
        'feed_forward.down_proj.weight': [width, inner],
      },
      'transformer.layers',
    ),
  });
const pixtralConfig = (patch: number) => ({
  ...{ hidden_size: width, intermediate_size: inner, num_attention_heads: 4, num_hidden_layers: 2 },
  ...{ patch_size: patch, image_size: 28 * patch, head_dim: 16, hidden_act: 'silu', num_channels: 3 },
  ...{ model_type: 'pixtral', rope_theta: 10_000, attention_dropout: 0, is_composition: true },
});
const imageTokens = ['[IMG_BREAK]', '[IMG_END]'];

const mistral3 = withVision(texts.mistralSmall, {
  config: {
    ...{ spatial_merge_size: 2, multimodal_projector_bias: false, projector_hidden_act: 'gelu' },
    ...{ vision_feature_layer: -1, vision_config: pixtralConfig(14) },
  },
  shapes: prefixed('model.', {
    ...pixtralTower(14),
    'multi_modal_projector.norm.weight': [width],
    'multi_modal_projector.patch_merger.merging_layer.weight': [width, 4 * width],
    'multi_modal_projector.linear_1.weight': [hidden, width],
    'multi_modal_projector.linear_2.weight': [hidden, hidden],
  }),
  preprocessor: { size: { longest_edge: 392 }, patch_size: { height: 14, width: 14 } },
  image: { width: 168, height: 112 },
  tokens: imageTokens,
});

const pixtral = withVision(
  {
    ...texts.mistralSmall,
    config: {
      ...texts.mistralSmall.config,
      ...{ architectures: ['LlavaForConditionalGeneration'], model_type: 'llava' },
    },
  },
  {
    config: {
      ...{ projector_hidden_act: 'gelu', vision_feature_layer: -1, vision_feature_select_strategy: 'full' },
      vision_config: pixtralConfig(16),
    },
    shapes: prefixed('model.', {
      ...pixtralTower(16),
      ...pair('multi_modal_projector.linear_1', hidden, width),
      ...pair('multi_modal_projector.linear_2', hidden, hidden),
    }),
    preprocessor: { size: { longest_edge: 448 }, patch_size: 16 },
    image: { width: 96, height: 64 },
    tokens: imageTokens,
  },
);

/** As Mistral publishes it; the library that prepares images has mean and deviation built in. */
const pixtralParams = withVision(texts.consolidated, {
  config: {
    vision_encoder: {
      ...{ hidden_size: width, intermediate_size: inner, num_attention_heads: 4, num_hidden_layers: 2 },
      ...{ patch_size: 14, max_image_size: 448, num_channels: 3, rope_theta: 10_000, adapter_bias: false },
      ...{ mm_projector_id: 'patch_merge', spatial_merge_size: 2, add_pre_mm_projector_layer_norm: true },
      ...{ image_token_id: 10, image_break_token_id: vocabulary, image_end_token_id: vocabulary + 1 },
    },
  },
  shapes: {
    'vision_encoder.patch_conv.weight': [width, 3, 14, 14],
    'vision_encoder.ln_pre.weight': [width],
    ...blocks(
      2,
      {
        ...{ 'attention_norm.weight': [width], 'ffn_norm.weight': [width] },
        ...Object.fromEntries(
          ['q', 'k', 'v', 'o'].map((part) => [`attention.w${part}.weight`, [width, width]]),
        ),
        'feed_forward.w1.weight': [inner, width],
        'feed_forward.w3.weight': [inner, width],
        'feed_forward.w2.weight': [width, inner],
      },
      'vision_encoder.transformer.layers',
    ),
    'pre_mm_projector_norm.weight': [width],
    'patch_merger.merging_layer.weight': [width, 4 * width],
    'vision_language_adapter.w_in.weight': [hidden, width],
    'vision_language_adapter.w_out.weight': [hidden, hidden],
  },
  preprocessor: {
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  },
  image: { width: 168, height: 112 },
  tokens: imageTokens,
});

export const visionCheckpoints: Readonly<Record<string, VisionSpec>> = {
  qwen2vl,
  qwen25vl,
  qwen3vl,
  'qwen3vl, positions between those of the table': qwen3vlScaled,
  qwen35,
  gemma3,
  pixtral,
  mistral3,
  smolVlm,
  'pixtral, as Mistral publishes it': pixtralParams,
};
