import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { describeTensors, checkpointShapes, keyValuesOf, shapesOf } from '../support';

/** GPT-2 small, whose file has neither prefix nor output but masks. */
const config = {
  activation_function: 'gelu_new',
  architectures: ['GPT2LMHeadModel'],
  layer_norm_epsilon: 1e-5,
  model_type: 'gpt2',
  n_ctx: 1024,
  n_embd: 768,
  n_head: 12,
  n_layer: 12,
  n_positions: 1024,
};

const shapes = checkpointShapes(
  { 'wte.weight': [50257, 768], 'wpe.weight': [1024, 768], 'ln_f.weight': [768], 'ln_f.bias': [768] },
  'h',
  12,
  {
    'attn.bias': [1, 1, 1024, 1024],
    'attn.masked_bias': [],
    'attn.c_attn.bias': [2304],
    'attn.c_attn.weight': [768, 2304],
    'attn.c_proj.bias': [768],
    'attn.c_proj.weight': [768, 768],
    'ln_1.bias': [768],
    'ln_1.weight': [768],
    'ln_2.bias': [768],
    'ln_2.weight': [768],
    'mlp.c_fc.bias': [3072],
    'mlp.c_fc.weight': [768, 3072],
    'mlp.c_proj.bias': [768],
    'mlp.c_proj.weight': [3072, 768],
  },
);

const convert = (change: object = {}, tensors: Record<string, readonly number[]> = shapes) =>
  convertCheckpoint(describeTensors(tensors), { ...config, ...change }, 'config.json');

describe('gpt2 conversion', () => {
  it('names everything but the masks', () => {
    const ours = shapesOf(convert());
    expect(Object.keys(ours)).toHaveLength(4 + 12 * 12);
    expect(ours).toMatchObject({
      'token_embd.weight': [50257, 768],
      'position_embd.weight': [1024, 768],
      'output_norm.bias': [768],
      'blk.11.attn_qkv.weight': [2304, 768],
      'blk.11.attn_qkv.bias': [2304],
      'blk.11.attn_output.weight': [768, 768],
      'blk.11.ffn_up.weight': [3072, 768],
      'blk.11.ffn_up.bias': [3072],
      'blk.11.ffn_down.weight': [768, 3072],
      'blk.11.ffn_norm.bias': [768],
    });
  });

  it('transposes the four matrices of a block and nothing else', () => {
    const { tensors } = convert();
    const moved = tensors.flatMap(({ name, unit }) =>
      unit && name.startsWith('blk.0.') ? [[name, unit]] : [],
    );
    const transpose = (rows: number) => ({ rows, order: 'transpose' });
    expect(Object.fromEntries(moved)).toEqual({
      'blk.0.attn_qkv.weight': transpose(768),
      'blk.0.attn_output.weight': transpose(768),
      'blk.0.ffn_up.weight': transpose(768),
      'blk.0.ffn_down.weight': transpose(3072),
    });
  });

  it('takes names with prefix, and an output of its own', () => {
    const prefixed = Object.fromEntries(
      Object.entries(shapes).map(([name, shape]) => [`transformer.${name}`, shape]),
    );
    expect(shapesOf(convert({}, { ...prefixed, 'lm_head.weight': [50257, 768] }))).toEqual(
      shapesOf(convert()),
    );
    const untied = convert({ tie_word_embeddings: false }, { ...prefixed, 'lm_head.weight': [50257, 768] });
    expect(shapesOf(untied)).toMatchObject({ 'output.weight': [50257, 768] });
  });

  it('writes the hyper-parameters, with the defaults of the class and in either spelling', () => {
    const expected = {
      'gpt2.context_length': 1024,
      'gpt2.embedding_length': 768,
      'gpt2.block_count': 12,
      'gpt2.feed_forward_length': 3072,
      'gpt2.attention.head_count': 12,
      'gpt2.attention.layer_norm_epsilon': 1e-5,
    };
    expect(keyValuesOf(convert())).toEqual(expected);
    const bare = { architectures: config.architectures };
    expect(keyValuesOf(convertCheckpoint(describeTensors(shapes), bare, 'config.json'))).toEqual(expected);
    const renamed = { n_head: undefined, num_attention_heads: 6 };
    expect(keyValuesOf(convert(renamed))).toMatchObject({ 'gpt2.attention.head_count': 6 });
  });

  it.each([
    [{ n_inner: 1536 }, /\[768, 3072\].*\[768, 1536\]/],
    [{ n_positions: 512 }, /\[1024, 768\].*\[512, 768\]/],
    [{ n_head: 7 }, /7 heads share a hidden size of 768/],
    [{ activation_function: 'relu' }, /"relu".*"gelu_new"/],
    [{ scale_attn_weights: false }, /scale_attn_weights/],
    [{ scale_attn_by_inverse_layer_idx: true }, /scale_attn_by_inverse_layer_idx/],
    [{ add_cross_attention: true }, /add_cross_attention/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(change)).toThrow(message);
  });
});
