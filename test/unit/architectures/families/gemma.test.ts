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

/** gemma-2b-it. */
const config = {
  architectures: ['GemmaForCausalLM'],
  attention_bias: false,
  head_dim: 256,
  hidden_act: 'gelu',
  hidden_size: 2048,
  intermediate_size: 16384,
  max_position_embeddings: 8192,
  model_type: 'gemma',
  num_attention_heads: 8,
  num_hidden_layers: 18,
  num_key_value_heads: 1,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 10000.0,
};

const outer = { 'model.embed_tokens.weight': [256000, 2048], 'model.norm.weight': [2048] };
const shapes = checkpointShapes(outer, 'model.layers', 18, {
  'input_layernorm.weight': [2048],
  'mlp.down_proj.weight': [2048, 16384],
  'mlp.gate_proj.weight': [16384, 2048],
  'mlp.up_proj.weight': [16384, 2048],
  'post_attention_layernorm.weight': [2048],
  'self_attn.k_proj.weight': [256, 2048],
  'self_attn.o_proj.weight': [2048, 2048],
  'self_attn.q_proj.weight': [2048, 2048],
  'self_attn.v_proj.weight': [256, 2048],
});

const convert = (change: object = {}) =>
  convertCheckpoint(describeTensors(shapes, 'BF16'), { ...config, ...change }, 'config.json');

describe('gemma conversion', () => {
  it.skipIf(!hasSharedData)('names what a real conversion of gemma-2b names', () => {
    const listing = readListing('gemma-2b-it');
    const converted = convert();
    expect(Object.keys(shapesOf(converted)).sort()).toEqual(listing.tensors);
    const ours = keyValuesOf(converted);
    for (const [key, value] of listing.keyValues) expect([key, ours[key]]).toEqual([key, Number(value)]);
  });

  it('adds 1 to norms and to nothing else', () => {
    const blocks = Array.from({ length: 18 }, (_, block) => [
      `blk.${block}.attn_norm.weight`,
      `blk.${block}.ffn_norm.weight`,
    ]);
    expect(shiftedNames(convert()).sort()).toEqual(['output_norm.weight', ...blocks.flat()].sort());
  });

  it('has the defaults of the class', () => {
    const absent = { head_dim: undefined, max_position_embeddings: undefined, rope_theta: undefined };
    expect(keyValuesOf(convert(absent))).toEqual(keyValuesOf(convert()));
    expect(() => convert({ num_key_value_heads: undefined })).toThrow(
      '"model.layers.0.self_attn.k_proj.weight" is [256, 2048], not [4096, 2048] (and 17 alike)',
    );
  });

  it.each([
    [{ hidden_act: 'silu' }, /"silu"/],
    [{ hidden_activation: 'gelu' }, /hidden_activation/],
    [{ attention_bias: true }, /attention_bias/],
    [{ tie_word_embeddings: false }, /tie_word_embeddings/],
    [{ use_bidirectional_attention: true }, /use_bidirectional_attention/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
