import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf, shiftedNames } from '../support';

/** gemma-3-1b-it. */
const config = {
  architectures: ['Gemma3ForCausalLM'],
  attention_bias: false,
  attn_logit_softcapping: null,
  final_logit_softcapping: null,
  head_dim: 256,
  hidden_activation: 'gelu_pytorch_tanh',
  hidden_size: 1152,
  intermediate_size: 6912,
  max_position_embeddings: 32768,
  model_type: 'gemma3_text',
  num_attention_heads: 4,
  num_hidden_layers: 26,
  num_key_value_heads: 1,
  query_pre_attn_scalar: 256,
  rms_norm_eps: 1e-6,
  rope_local_base_freq: 10000,
  rope_scaling: null,
  rope_theta: 1000000,
  sliding_window: 512,
  sliding_window_pattern: 6,
};

const outer = { 'embed_tokens.weight': [262144, 1152], 'norm.weight': [1152] };
const block = {
  'input_layernorm.weight': [1152],
  'mlp.down_proj.weight': [1152, 6912],
  'mlp.gate_proj.weight': [6912, 1152],
  'mlp.up_proj.weight': [6912, 1152],
  'post_attention_layernorm.weight': [1152],
  'post_feedforward_layernorm.weight': [1152],
  'pre_feedforward_layernorm.weight': [1152],
  'self_attn.k_norm.weight': [256],
  'self_attn.k_proj.weight': [256, 1152],
  'self_attn.o_proj.weight': [1152, 1024],
  'self_attn.q_norm.weight': [256],
  'self_attn.q_proj.weight': [1024, 1152],
  'self_attn.v_proj.weight': [256, 1152],
};
const bare = checkpointShapes(outer, 'layers', 26, block);
const prefixed = (prefix: string, shapes: Readonly<Record<string, readonly number[]>> = bare) =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [`${prefix}${name}`, shape]));

const convert = (change: object = {}, shapes = prefixed('model.')) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

const layerTypes = (slides: (layer: number) => boolean) =>
  Array.from({ length: 26 }, (_, layer) => (slides(layer) ? 'sliding_attention' : 'full_attention'));

describe('gemma3 conversion', () => {
  it('names the tensors of gemma-3-1b and adds 1 to its norms', () => {
    const converted = convert();
    const shapes = shapesOf(converted);
    expect(Object.keys(shapes)).toHaveLength(2 + 26 * 13);
    expect(Object.fromEntries(Object.entries(shapes).filter(([name]) => name.startsWith('blk.25.')))).toEqual(
      {
        'blk.25.attn_norm.weight': [1152],
        'blk.25.attn_q.weight': [1024, 1152],
        'blk.25.attn_k.weight': [256, 1152],
        'blk.25.attn_v.weight': [256, 1152],
        'blk.25.attn_output.weight': [1152, 1024],
        'blk.25.attn_q_norm.weight': [256],
        'blk.25.attn_k_norm.weight': [256],
        'blk.25.post_attention_norm.weight': [1152],
        'blk.25.ffn_norm.weight': [1152],
        'blk.25.ffn_gate.weight': [6912, 1152],
        'blk.25.ffn_up.weight': [6912, 1152],
        'blk.25.ffn_down.weight': [1152, 6912],
        'blk.25.post_ffw_norm.weight': [1152],
      },
    );
    expect(shiftedNames(converted).sort()).toEqual(
      Object.keys(shapes)
        .filter((name) => name.endsWith('_norm.weight'))
        .sort(),
    );
  });

  const expected = {
    'gemma3.context_length': 32768,
    'gemma3.embedding_length': 1152,
    'gemma3.block_count': 26,
    'gemma3.feed_forward_length': 6912,
    'gemma3.attention.head_count': 4,
    'gemma3.attention.head_count_kv': 1,
    'gemma3.attention.key_length': 256,
    'gemma3.attention.value_length': 256,
    'gemma3.rope.dimension_count': 256,
    'gemma3.rope.freq_base': 1e6,
    'gemma3.rope.freq_base_swa': 1e4,
    'gemma3.attention.layer_norm_rms_epsilon': 1e-6,
    'gemma3.attention.sliding_window': 512,
  };

  it('writes the hyper-parameters, stated or not', () => {
    expect(keyValuesOf(convert())).toEqual(expected);
    const absent = {
      head_dim: undefined,
      query_pre_attn_scalar: undefined,
      rope_local_base_freq: undefined,
      rope_theta: undefined,
      sliding_window_pattern: undefined,
      hidden_activation: undefined,
    };
    expect(keyValuesOf(convert(absent))).toEqual(expected);
  });

  it('takes frequencies of each kind of layer from transformers 5', () => {
    const rope_parameters = {
      full_attention: { rope_type: 'linear', rope_theta: 2e6, factor: 8 },
      sliding_attention: { rope_type: 'default', rope_theta: 20000 },
    };
    const older = {
      rope_theta: 2e6,
      rope_local_base_freq: 20000,
      rope_scaling: { rope_type: 'linear', factor: 8 },
    };
    const written = {
      ...expected,
      'gemma3.rope.freq_base': 2e6,
      'gemma3.rope.freq_base_swa': 20000,
      'gemma3.rope.scaling.type': 'linear',
      'gemma3.rope.scaling.factor': 8,
    };
    expect(keyValuesOf(convert(older))).toEqual(written);
    const absent = { rope_theta: undefined, rope_local_base_freq: undefined, rope_scaling: undefined };
    expect(keyValuesOf(convert({ ...absent, rope_parameters }))).toEqual(written);
    const sliding_attention = { rope_type: 'linear', factor: 2 };
    expect(() => convert({ rope_parameters: { ...rope_parameters, sliding_attention } })).toThrow(
      /sliding window have a rope scaling/,
    );
  });

  it('writes another order of windows where it repeats', () => {
    const pattern = (change: object) =>
      keyValuesOf(convert(change))['gemma3.attention.sliding_window_pattern'];
    expect(pattern({ layer_types: layerTypes((layer) => layer % 6 !== 5) })).toBeUndefined();
    expect(pattern({ sliding_window_pattern: 4 })).toBe(4);
    expect(pattern({ sliding_window_pattern: undefined, _sliding_window_pattern: 3 })).toBe(3);
    expect(() => pattern({ layer_types: layerTypes((layer) => layer % 6 !== 0) })).toThrow(
      'Layers with a sliding window do not repeat in the order that GGUF can express: a fixed number with, then one without. (config.json)',
    );
  });

  it('omits the window where no layer has one, as llama.cpp expects', () => {
    const keys = Object.keys(keyValuesOf(convert({ sliding_window_pattern: 1 })));
    expect(keys.filter((key) => key.includes('sliding'))).toEqual([]);
  });

  it('caps logits where config.json does', () => {
    expect(keyValuesOf(convert({ final_logit_softcapping: 30 }))).toEqual({
      ...expected,
      'gemma3.final_logit_softcapping': 30,
    });
  });

  /** gemma-3-4b-it as it came out: what the class has as default is left out of `text_config`. */
  const seeing = {
    architectures: ['Gemma3ForConditionalGeneration'],
    model_type: 'gemma3',
    text_config: {
      hidden_size: 2560,
      intermediate_size: 10240,
      model_type: 'gemma3_text',
      num_hidden_layers: 34,
      rope_scaling: { factor: 8.0, rope_type: 'linear' },
      sliding_window: 1024,
    },
    vision_config: { hidden_size: 1152, image_size: 896, model_type: 'siglip_vision_model' },
  };
  const wide = checkpointShapes(
    { 'embed_tokens.weight': [262208, 2560], 'norm.weight': [2560] },
    'layers',
    34,
    Object.fromEntries(
      Object.entries(block).map(([name, shape]) => {
        const sizes: Record<number, number> = name.includes('mlp')
          ? { 1152: 2560, 6912: 10240 }
          : { 1152: 2560, 1024: 2048, 256: name.includes('norm') ? 256 : 1024 };
        return [name, shape.map((size) => sizes[size]!)];
      }),
    ),
  );
  const vision = { 'vision_tower.encoder.layers.0.norm.weight': [8], 'multi_modal_projector.w': [8, 8] };

  it.each([
    ['as published', { ...prefixed('language_model.model.', wide), ...vision }],
    ['by transformers 5', { ...prefixed('model.language_model.', wide), ...prefixed('model.', vision) }],
  ])('takes the language part of a vision model, %s', (_, shapes) => {
    const converted = convertCheckpoint(describeTensors(shapes), seeing, 'config.json');
    expect(Object.keys(shapesOf(converted))).toHaveLength(2 + 34 * 13);
    expect(shapesOf(converted)['token_embd.weight']).toEqual([262208, 2560]);
    expect(keyValuesOf(converted)).toEqual({
      'gemma3.context_length': 131072,
      'gemma3.embedding_length': 2560,
      'gemma3.block_count': 34,
      'gemma3.feed_forward_length': 10240,
      'gemma3.attention.head_count': 8,
      'gemma3.attention.head_count_kv': 4,
      'gemma3.attention.key_length': 256,
      'gemma3.attention.value_length': 256,
      'gemma3.rope.dimension_count': 256,
      'gemma3.rope.freq_base': 1e6,
      'gemma3.rope.freq_base_swa': 1e4,
      'gemma3.rope.scaling.type': 'linear',
      'gemma3.rope.scaling.factor': 8,
      'gemma3.attention.layer_norm_rms_epsilon': 1e-6,
      'gemma3.attention.sliding_window': 1024,
    });
  });

  it.each([
    [{ attn_logit_softcapping: 50 }, /attn_logit_softcapping/],
    [{ rope_scaling: { rope_type: 'yarn', factor: 4 } }, /other than linear/],
    [{ query_pre_attn_scalar: 168 }, /query_pre_attn_scalar.*256/],
    [{ use_bidirectional_attention: true }, /use_bidirectional_attention/],
    [{ hidden_activation: 'silu' }, /hidden_activation/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
