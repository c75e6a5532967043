import { blocks, hidden, type Shapes } from './checkpointParts';
import { checkpoints } from './checkpoints';
import { inner, pair, prefixed, width, withVision, type VisionPart, type VisionSpec } from './visionParts';
import * as texts from './wrappedCheckpoints';

const qwenImages = {
  patch_size: 14,
  merge_size: 2,
  temporal_patch_size: 2,
  min_pixels: 3136,
  max_pixels: 1_003_520,
};
/** 6 × 8 merged patches: windows of 4 × 4 that fit, and smaller ones. */
const qwenImage = { width: 224, height: 168 };
const merger: Shapes = {
  ...pair('merger.mlp.0', 4 * width, 4 * width),
  ...pair('merger.mlp.2', hidden, 4 * width),
};
const fused: Shapes = { ...pair('attn.qkv', 3 * width, width), ...pair('attn.proj', width, width) };

export const qwen2vl = withVision(texts.qwen2vl, {
  config: {
    vision_config: {
      ...{ depth: 2, embed_dim: width, mlp_ratio: 1.5, num_heads: 4, in_chans: 3, hidden_size: hidden },
      ...{ patch_size: 14, spatial_merge_size: 2, spatial_patch_size: 14, temporal_patch_size: 2 },
      ...{ hidden_act: 'quick_gelu', model_type: 'qwen2_vl' },
    },
  },
  shapes: prefixed('visual.', {
    'patch_embed.proj.weight': [width, 3, 2, 14, 14],
    ...pair('merger.ln_q', width),
    ...merger,
    ...blocks(
      2,
      {
        ...pair('norm1', width),
        ...pair('norm2', width),
        ...fused,
        ...pair('mlp.fc1', inner, width),
        ...pair('mlp.fc2', width, inner),
      },
      'blocks',
    ),
  }),
  preprocessor: qwenImages,
  image: qwenImage,
});

export const qwen25vl = withVision(texts.qwen25vl, {
  config: {
    vision_config: {
      ...{ depth: 4, hidden_size: width, intermediate_size: inner, num_heads: 4, in_chans: 3 },
      ...{ out_hidden_size: hidden, patch_size: 14, spatial_merge_size: 2, temporal_patch_size: 2 },
      ...{ hidden_act: 'silu', window_size: 112, fullatt_block_indexes: [1, 3], tokens_per_second: 2 },
    },
  },
  shapes: prefixed('model.visual.', {
    'patch_embed.proj.weight': [width, 3, 2, 14, 14],
    'merger.ln_q.weight': [width],
    ...merger,
    ...blocks(
      4,
      {
        ...{ 'norm1.weight': [width], 'norm2.weight': [width] },
        ...fused,
        ...pair('mlp.gate_proj', inner, width),
        ...pair('mlp.up_proj', inner, width),
        ...pair('mlp.down_proj', width, inner),
      },
      'blocks',
    ),
  }),
  preprocessor: qwenImages,
  image: qwenImage,
});

const thirdVision = (
  side: number,
  image: VisionSpec['image'],
  deep: readonly number[] = [0, 1],
): VisionPart => ({
  config: {
    vision_config: {
      ...{ depth: 3, hidden_size: width, intermediate_size: inner, num_heads: 4, in_channels: 3 },
      ...{ out_hidden_size: hidden, patch_size: 16, spatial_merge_size: 2, temporal_patch_size: 2 },
      ...{ hidden_act: 'gelu_pytorch_tanh', num_position_embeddings: side * side },
      deepstack_visual_indexes: deep,
    },
  },
  shapes: prefixed('model.visual.', {
    ...pair('patch_embed.proj', width, 3, 2, 16, 16),
    'pos_embed.weight': [side * side, width],
    ...pair('merger.norm', width),
    ...pair('merger.linear_fc1', 4 * width, 4 * width),
    ...pair('merger.linear_fc2', hidden, 4 * width),
    ...blocks(
      deep.length,
      {
        ...pair('norm', 4 * width),
        ...pair('linear_fc1', 4 * width, 4 * width),
        ...pair('linear_fc2', hidden, 4 * width),
      },
      'deepstack_merger_list',
    ),
    ...blocks(
      3,
      {
        ...pair('norm1', width),
        ...pair('norm2', width),
        ...fused,
        ...pair('mlp.linear_fc1', inner, width),
        ...pair('mlp.linear_fc2', width, inner),
      },
      'blocks',
    ),
  }),
  preprocessor: { ...qwenImages, patch_size: 16 },
  image,
});
/** As many patches as positions. */
export const qwen3vl = withVision(texts.qwen3vl, thirdVision(8, { width: 128, height: 128 }));
/** Positions lie between those of the table. */
export const qwen3vlScaled = withVision(texts.qwen3vl, thirdVision(6, { width: 160, height: 128 }));

/** No output of a block is merged. */
export const qwen35 = withVision(
  checkpoints['qwen35, multimodal']!,
  thirdVision(8, { width: 128, height: 128 }, []),
);
