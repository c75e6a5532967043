import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { hasSharedData } from '../../../support/files';
import {
  checkpointShapes,
  describeTensors,
  keyValuesOf,
  readListing,
  shapesOf,
  shiftedNames,
} from '../support';

/** gemma-2-2b-it. */
const config = {
  architectures: ['Gemma2ForCausalLM'],
  attention_bias: false,
  attn_logit_softcapping: 50.0,
  final_logit_softcapping: 30.0,
  head_dim: 256,
  hidden_act: 'gelu_pytorch_tanh',
  hidden_activation: 'gelu_pytorch_tanh',
  hidden_size: 2304,
  intermediate_size: 9216,
  max_position_embeddings: 8192,
  model_type: 'gemma2',
  num_attention_heads: 8,
  num_hidden_layers: 26,
  num_key_value_heads: 4,
  query_pre_attn_scalar: 256,
  rms_norm_eps: 1e-6,
  rope_theta: 10000.0,
  sliding_window: 4096,
};

const outer = { 'model.embed_tokens.weight': [256000, 2304], 'model.norm.weight': [2304] };
const shapes = checkpointShapes(outer, 'model.layers', 26, {
  'input_layernorm.weight': [2304],
  'mlp.down_proj.weight': [2304, 9216],
  'mlp.gate_proj.weight': [9216, 2304],
  'mlp.up_proj.weight': [9216, 2304],
  'post_attention_layernorm.weight': [2304],
  'post_feedforward_layernorm.weight': [2304],
  'pre_feedforward_layernorm.weight': [2304],
  'self_attn.k_proj.weight': [1024, 2304],
  'self_attn.o_proj.weight': [2304, 2048],
  'self_attn.q_proj.weight': [2048, 2304],
  'self_attn.v_proj.weight': [1024, 2304],
});

const convert = (change: object = {}, tensors = shapes) =>
  convertCheckpoint(describeTensors(tensors, 'BF16'), { ...config, ...change }, 'config.json');

const layerTypes = (slides: (layer: number) => boolean) =>
  Array.from({ length: 26 }, (_, layer) => (slides(layer) ? 'sliding_attention' : 'full_attention'));

describe('gemma2 conversion', () => {
  it.skipIf(!hasSharedData)('names what a real conversion of gemma-2-2b names', () => {
    const listing = readListing('gemma-2-2b-it');
    const converted = convert();
    expect(Object.keys(shapesOf(converted)).sort()).toEqual(listing.tensors);
    const ours = keyValuesOf(converted);
    for (const [key, value] of listing.keyValues) expect([key, ours[key]]).toEqual([key, Number(value)]);
  });

  it('adds 1 to the four norms of a block and the last one', () => {
    const shifted = shiftedNames(convert());
    expect(shifted).toHaveLength(1 + 4 * 26);
    expect(shifted.filter((name) => name.startsWith('blk.3.')).sort()).toEqual([
      'blk.3.attn_norm.weight',
      'blk.3.ffn_norm.weight',
      'blk.3.post_attention_norm.weight',
      'blk.3.post_ffw_norm.weight',
    ]);
    expect(shifted).toContain('output_norm.weight');
  });

  it('writes caps and window, stated or not', () => {
    const expected = {
      'gemma2.attn_logit_softcapping': 50,
      'gemma2.final_logit_softcapping': 30,
      'gemma2.attention.sliding_window': 4096,
      'gemma2.attention.key_length': 256,
    };
    expect(keyValuesOf(convert())).toMatchObject(expected);
    const absent = {
      attn_logit_softcapping: undefined,
      final_logit_softcapping: undefined,
      sliding_window: undefined,
      head_dim: undefined,
      query_pre_attn_scalar: undefined,
      num_key_value_heads: undefined,
      layer_types: layerTypes((layer) => layer % 2 === 0),
    };
    expect(keyValuesOf(convert(absent))).toEqual(keyValuesOf(convert()));
  });

  it('writes another order of windows where it repeats', () => {
    const pattern = (slides: (layer: number) => boolean) =>
      keyValuesOf(convert({ layer_types: layerTypes(slides) }))['gemma2.attention.sliding_window_pattern'];
    expect(pattern((layer) => layer % 2 === 0)).toBeUndefined();
    expect(pattern((layer) => layer % 3 !== 2)).toBe(3);
    expect(pattern(() => true)).toBe(0);
    expect(() => pattern((layer) => layer % 2 === 1)).toThrow(
      'Layers with a sliding window do not repeat in the order that GGUF can express: a fixed number with, then one without. (config.json)',
    );
  });

  it('makes the window as long as the context where no layer has one', () => {
    const keyValues = keyValuesOf(convert({ layer_types: layerTypes(() => false) }));
    expect(keyValues['gemma2.attention.sliding_window']).toBe(8192);
    expect(keyValues['gemma2.attention.sliding_window_pattern']).toBeUndefined();
  });

  it('knows the scale of scores of the largest model', () => {
    // gemma-2-27b: 46 blocks, hidden size 4608, 32 heads of 128 sizes.
    const large = { num_hidden_layers: 46, hidden_size: 4608, num_attention_heads: 32, head_dim: 128 };
    expect(() => convert({ ...large, query_pre_attn_scalar: 144 })).toThrow(
      '"model.embed_tokens.weight" is [256000, 2304], not […, 4608]',
    );
    expect(() => convert({ ...large, query_pre_attn_scalar: 128 })).toThrow(
      '"query_pre_attn_scalar" is 128; GGUF can express 144 for this architecture. (config.json)',
    );
    expect(() => convert({ query_pre_attn_scalar: 224 })).toThrow(
      '"query_pre_attn_scalar" is 224; GGUF can express 256 for this architecture. (config.json)',
    );
  });

  it.each([
    [{ attn_logit_softcapping: null }, /"attn_logit_softcapping" is null/],
    [{ final_logit_softcapping: null }, /"final_logit_softcapping" is null/],
    [{ hidden_activation: 'silu' }, /hidden_activation/],
    [{ tie_word_embeddings: false }, /tie_word_embeddings/],
    [{ layer_types: ['full_attention'] }, /layer_types/],
    [{ layer_types: new Array<string>(26).fill('chunked_attention') }, /chunked_attention/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
