import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { hasSharedData } from '../../../support/files';
import { checkpointShapes, describeTensors, keyValuesOf, readListing, shapesOf } from '../support';

/** Command R (c4ai-command-r-v01). */
const config = {
  architectures: ['CohereForCausalLM'],
  attention_bias: false,
  hidden_act: 'silu',
  hidden_size: 8192,
  intermediate_size: 22528,
  layer_norm_eps: 1e-5,
  logit_scale: 0.0625,
  max_position_embeddings: 8192,
  model_max_length: 131072,
  model_type: 'cohere',
  num_attention_heads: 64,
  num_hidden_layers: 40,
  num_key_value_heads: 64,
  rope_theta: 8000000.0,
};

const shapesFor = (blocks: number, keys: number, more: Record<string, number[]> = {}) =>
  checkpointShapes(
    { 'model.embed_tokens.weight': [256000, 8192], 'model.norm.weight': [8192] },
    'model.layers',
    blocks,
    {
      'input_layernorm.weight': [8192],
      'self_attn.q_proj.weight': [8192, 8192],
      'self_attn.k_proj.weight': [keys, 8192],
      'self_attn.v_proj.weight': [keys, 8192],
      'self_attn.o_proj.weight': [8192, 8192],
      'mlp.gate_proj.weight': [22528, 8192],
      'mlp.up_proj.weight': [22528, 8192],
      'mlp.down_proj.weight': [8192, 22528],
      ...more,
    },
  );
const shapes = shapesFor(40, 8192);

const convert = (change: object = {}, tensors = shapes) =>
  convertCheckpoint(describeTensors(tensors, 'F16'), { ...config, ...change }, 'config.json');

describe('command-r conversion', () => {
  it.skipIf(!hasSharedData)('names what a real conversion of Command R names', () => {
    const listing = readListing('c4ai-command-r-v01');
    const converted = convert();
    // The listing leaves out the embedding.
    const names = Object.keys(shapesOf(converted)).sort();
    expect(names).toEqual([...listing.tensors, 'token_embd.weight']);
    const ours = keyValuesOf(converted);
    for (const [key, value] of listing.keyValues)
      expect([key, ours[key]]).toEqual([key, key.endsWith('.type') ? value : Number(value)]);
  });

  it('keeps rows in order: both sides rotate adjacent pairs', () => {
    expect(convert().tensors.filter(({ unit }) => unit)).toEqual([]);
    expect(keyValuesOf(convert())).toMatchObject({
      'command-r.context_length': 131072,
      'command-r.rope.dimension_count': 128,
      'command-r.rope.scaling.type': 'none',
    });
  });

  it('takes the norms of heads of Command R+', () => {
    const plus = { num_hidden_layers: 64, num_key_value_heads: 8, use_qk_norm: true };
    const tensors = shapesFor(64, 1024, {
      'self_attn.q_norm.weight': [64, 128],
      'self_attn.k_norm.weight': [8, 128],
    });
    expect(shapesOf(convert(plus, tensors))).toMatchObject({
      'blk.63.attn_q_norm.weight': [64, 128],
      'blk.63.attn_k_norm.weight': [8, 128],
    });
  });

  it('has the defaults of the class', () => {
    const bare = { architectures: config.architectures };
    expect(keyValuesOf(convertCheckpoint(describeTensors(shapes), bare, 'config.json'))).toMatchObject({
      'command-r.attention.head_count_kv': 64,
      'command-r.attention.layer_norm_epsilon': 1e-5,
      'command-r.context_length': 8192,
      'command-r.logit_scale': 0.0625,
      'command-r.rope.freq_base': 10000,
    });
  });

  it.each([
    [{ use_qk_norm: true }, /"use_qk_norm" is true with 40 blocks.*64 blocks/],
    [{ num_hidden_layers: 64 }, /"use_qk_norm" is false with 64 blocks/],
    [{ tie_word_embeddings: false }, /tie_word_embeddings/],
    [{ attention_bias: true }, /attention_bias/],
    [{ hidden_act: 'gelu' }, /"gelu".*"silu"/],
    [{ rope_scaling: { type: 'linear', factor: 2 } }, /Rope scaling cannot be exported/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
