import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, rowsOf, shapesOf, shiftedNames } from '../support';

const blocks = 30;
/** gemma-3n-E2B-it, as published: the numbers that differ from the defaults of the class, and some that do not. */
const text = {
  model_type: 'gemma3n_text',
  activation_sparsity_pattern: Array.from({ length: blocks }, (_, layer) => (layer < 10 ? 0.95 : 0)),
  altup_active_idx: 0,
  altup_coef_clip: 120,
  altup_correct_scale: true,
  altup_lr_multiplier: 1,
  altup_num_inputs: 4,
  final_logit_softcapping: 30,
  head_dim: 256,
  hidden_size: 2048,
  hidden_size_per_layer_input: 256,
  intermediate_size: Array.from({ length: blocks }, () => 8192),
  laurel_rank: 64,
  layer_types: Array.from({ length: blocks }, (_, layer) =>
    layer % 5 === 4 ? 'full_attention' : 'sliding_attention',
  ),
  num_hidden_layers: blocks,
  num_kv_shared_layers: 10,
  query_pre_attn_scalar: 256,
  rope_local_base_freq: 10_000,
  rope_scaling: null,
  rope_theta: 1_000_000,
  vocab_size: 262_400,
  vocab_size_per_layer_input: 262_144,
};

const normed = (...names: string[]) => Object.fromEntries(names.map((name) => [`${name}.weight`, [2048]]));
const square = [2048, 2048];
const bare = checkpointShapes(
  {
    'embed_tokens.weight': [262_400, 2048],
    'embed_tokens_per_layer.weight': [262_144, blocks * 256],
    'per_layer_model_projection.weight': [blocks * 256, 2048],
    'per_layer_projection_norm.weight': [256],
    ...Object.fromEntries(
      [0, 1, 2].flatMap((stream) => [
        [`altup_projections.${stream}.weight`, square],
        [`altup_unembed_projections.${stream}.weight`, square],
      ]),
    ),
    ...normed('norm'),
  },
  'layers',
  blocks,
  {
    ...normed('input_layernorm', 'post_attention_layernorm', 'pre_feedforward_layernorm'),
    ...normed('post_feedforward_layernorm', 'post_per_layer_input_norm', 'altup.router_norm'),
    ...normed('laurel.post_laurel_norm'),
    'self_attn.q_proj.weight': square,
    'self_attn.k_proj.weight': [512, 2048],
    'self_attn.v_proj.weight': [512, 2048],
    'self_attn.o_proj.weight': square,
    'self_attn.q_norm.weight': [256],
    'self_attn.k_norm.weight': [256],
    'mlp.gate_proj.weight': [8192, 2048],
    'mlp.up_proj.weight': [8192, 2048],
    'mlp.down_proj.weight': [2048, 8192],
    'per_layer_input_gate.weight': [256, 2048],
    'per_layer_projection.weight': [2048, 256],
    'altup.correct_output_scale': [2048],
    'altup.correction_coefs.weight': [4, 4],
    'altup.prediction_coefs.weight': [16, 4],
    'altup.modality_router.weight': [4, 2048],
    'laurel.linear_left.weight': [64, 2048],
    'laurel.linear_right.weight': [2048, 64],
  },
);
const shapes = {
  ...Object.fromEntries(Object.entries(bare).map(([name, shape]) => [`model.language_model.${name}`, shape])),
  'model.vision_tower.timm_model.conv_stem.conv.weight': [64, 3, 3, 3],
  'model.embed_vision.embedding.weight': [128, 2048],
  'model.audio_tower.conformer.0.norm.weight': [1536],
  'model.embed_audio.embedding.weight': [128, 1536],
};

const convert = (change: object = {}) =>
  convertCheckpoint(
    describeTensors(shapes, 'BF16'),
    {
      architectures: ['Gemma3nForConditionalGeneration'],
      model_type: 'gemma3n',
      audio_soft_tokens_per_image: 188,
      vision_soft_tokens_per_image: 256,
      text_config: { ...text, ...change },
    },
    'config.json',
  );

describe('gemma3n conversion', () => {
  it('names the language part of gemma-3n-E2B, and says what is left out', () => {
    const converted = convert();
    const named = shapesOf(converted);
    expect(Object.keys(named)).toHaveLength(2 + 3 + 2 + blocks * 24);
    expect(named['altup_proj.weight']).toEqual([3, 2048, 2048]);
    expect(named['blk.29.altup_correct_scale.weight']).toEqual([2048]);
    expect(named['blk.29.proj.weight']).toEqual([2048, 256]);
    expect(shiftedNames(converted)).toEqual([]);
    expect(converted.notes).toEqual([
      'The vision part is left out: "model.vision_tower.timm_model.conv_stem.conv.weight".',
      'The projection of images is left out: "model.embed_vision.embedding.weight".',
      'The audio part is left out: "model.audio_tower.conformer.0.norm.weight" and 1 more tensor.',
    ]);
  });

  it('gives tokens beyond the table of embeddings for each layer that of token 0', () => {
    const converted = convert();
    const rows = rowsOf(converted, 'per_layer_token_embd.weight');
    expect(shapesOf(converted)['per_layer_token_embd.weight']).toEqual([262_400, 30 * 256]);
    expect(rows[0]).toEqual([0, 262_144]);
    expect(rows.slice(1)).toEqual(Array.from({ length: 256 }, () => [0, 1]));
  });

  const expected = {
    'gemma3n.context_length': 32768,
    'gemma3n.embedding_length': 2048,
    'gemma3n.block_count': 30,
    'gemma3n.feed_forward_length': 8192,
    'gemma3n.attention.head_count': 8,
    'gemma3n.attention.head_count_kv': 2,
    'gemma3n.attention.key_length': 256,
    'gemma3n.attention.value_length': 256,
    'gemma3n.rope.dimension_count': 256,
    'gemma3n.rope.freq_base': 1e6,
    'gemma3n.rope.freq_base_swa': 1e4,
    'gemma3n.attention.layer_norm_rms_epsilon': 1e-6,
    'gemma3n.attention.sliding_window': 512,
    'gemma3n.attention.shared_kv_layers': 10,
    'gemma3n.embedding_length_per_layer_input': 256,
    'gemma3n.final_logit_softcapping': 30,
  };

  it('writes the hyper-parameters, stated or not', () => {
    expect(keyValuesOf(convert())).toEqual(expected);
    const absent = Object.fromEntries(
      Object.keys(text)
        .filter((key) => !/num_|intermediate/.test(key))
        .map((key) => [key, undefined]),
    );
    expect(keyValuesOf(convert(absent))).toEqual(expected);
  });

  it.each([
    [{ altup_num_inputs: 2 }, /altup_num_inputs.*4/],
    [{ altup_correct_scale: false }, /altup_correct_scale/],
    [{ laurel_rank: 32 }, /laurel_rank.*64/],
    [{ hidden_size_per_layer_input: 128 }, /hidden_size_per_layer_input.*256/],
    [{ final_logit_softcapping: null }, /always caps logits/],
    [{ final_logit_softcapping: 50 }, /final_logit_softcapping.*30/],
    [{ num_kv_shared_layers: 15 }, /15 of 30 layers take keys and values of others/],
    [{ activation_sparsity_pattern: Array.from({ length: 30 }, () => 0.95) }, /not 0\.95 in the first 10/],
    [{ intermediate_size: [4096, ...text.intermediate_size.slice(1)] }, /differs between layers/],
    [{ layer_types: text.layer_types.map(() => 'full_attention') }, /not all but every 5th/],
    [{ rope_scaling: { rope_type: 'linear', factor: 4 } }, /Rope scaling cannot be exported/],
    [{ vocab_size_per_layer_input: 262_401 }, /vocab_size_per_layer_input/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
