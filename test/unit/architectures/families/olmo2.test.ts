import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpointShapes, describeTensors, keyValuesOf, shapesOf } from '../support';

/** OLMo-2-0425-1B. */
const config = {
  architectures: ['Olmo2ForCausalLM'],
  attention_bias: false,
  hidden_act: 'silu',
  hidden_size: 2048,
  intermediate_size: 8192,
  max_position_embeddings: 4096,
  model_type: 'olmo2',
  num_attention_heads: 16,
  num_hidden_layers: 16,
  num_key_value_heads: 16,
  rms_norm_eps: 1e-6,
  rope_scaling: null,
  rope_theta: 500000,
  tie_word_embeddings: false,
};

const outer = {
  'model.embed_tokens.weight': [100352, 2048],
  'model.norm.weight': [2048],
  'lm_head.weight': [100352, 2048],
};
const block = {
  'mlp.down_proj.weight': [2048, 8192],
  'mlp.gate_proj.weight': [8192, 2048],
  'mlp.up_proj.weight': [8192, 2048],
  'post_attention_layernorm.weight': [2048],
  'post_feedforward_layernorm.weight': [2048],
  'self_attn.k_norm.weight': [2048],
  'self_attn.k_proj.weight': [2048, 2048],
  'self_attn.o_proj.weight': [2048, 2048],
  'self_attn.q_norm.weight': [2048],
  'self_attn.q_proj.weight': [2048, 2048],
  'self_attn.v_proj.weight': [2048, 2048],
};

const convert = (change: object = {}, parts: Record<string, number[]> = block) =>
  convertCheckpoint(
    describeTensors(checkpointShapes(outer, 'model.layers', 16, parts)),
    { ...config, ...change },
    'config.json',
  );

describe('olmo2 conversion', () => {
  it('names the tensors of OLMo-2-1B: no norms before, two after, two of all heads', () => {
    const shapes = shapesOf(convert());
    expect(Object.keys(shapes)).toHaveLength(3 + 16 * 11);
    expect(Object.fromEntries(Object.entries(shapes).filter(([name]) => name.startsWith('blk.15.')))).toEqual(
      {
        'blk.15.attn_q.weight': [2048, 2048],
        'blk.15.attn_k.weight': [2048, 2048],
        'blk.15.attn_v.weight': [2048, 2048],
        'blk.15.attn_output.weight': [2048, 2048],
        'blk.15.attn_q_norm.weight': [2048],
        'blk.15.attn_k_norm.weight': [2048],
        'blk.15.post_attention_norm.weight': [2048],
        'blk.15.ffn_gate.weight': [8192, 2048],
        'blk.15.ffn_up.weight': [8192, 2048],
        'blk.15.ffn_down.weight': [2048, 8192],
        'blk.15.post_ffw_norm.weight': [2048],
      },
    );
  });

  it('sizes the norm of keys by their heads', () => {
    const grouped = {
      ...block,
      'self_attn.k_norm.weight': [512],
      'self_attn.k_proj.weight': [512, 2048],
      'self_attn.v_proj.weight': [512, 2048],
    };
    expect(shapesOf(convert({ num_key_value_heads: 4 }, grouped))).toMatchObject({
      'blk.0.attn_q_norm.weight': [2048],
      'blk.0.attn_k_norm.weight': [512],
    });
  });

  it('writes the hyper-parameters, and the defaults of the class', () => {
    const expected = {
      'olmo2.context_length': 4096,
      'olmo2.embedding_length': 2048,
      'olmo2.block_count': 16,
      'olmo2.feed_forward_length': 8192,
      'olmo2.attention.head_count': 16,
      'olmo2.attention.head_count_kv': 16,
      'olmo2.rope.dimension_count': 128,
      'olmo2.rope.freq_base': 500000,
      'olmo2.attention.layer_norm_rms_epsilon': 1e-6,
    };
    expect(keyValuesOf(convert())).toEqual(expected);
    expect(keyValuesOf(convert({ num_key_value_heads: null, rms_norm_eps: undefined }))).toEqual({
      ...expected,
      'olmo2.attention.layer_norm_rms_epsilon': 1e-5,
    });
  });

  it('writes a tied output as a copy, which llama.cpp requires', () => {
    const output = convert({ tie_word_embeddings: true }).tensors.find(
      ({ name }) => name === 'output.weight',
    );
    expect(output?.pieces.map(({ tensor }) => tensor.name)).toEqual(['model.embed_tokens.weight']);
  });

  it.each([
    [{ attention_bias: true }, /attention_bias/],
    [{ hidden_act: 'relu' }, /"relu"/],
    [{ head_dim: 64 }, /16 heads of size 64/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
