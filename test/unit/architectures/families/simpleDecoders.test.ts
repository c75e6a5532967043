import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { simpleCheckpoints } from '../../../support/simpleCheckpoints';
import { describeTensors, keyValuesOf, shapesOf } from '../support';

const convert = (name: string, change: object = {}, shapes: object = {}) =>
  convertCheckpoint(
    describeTensors({ ...simpleCheckpoints[name]!.shapes, ...shapes }),
    { ...simpleCheckpoints[name]!.config, ...change },
    'config.json',
  );

describe('seed-oss conversion', () => {
  it('calls the norm before the feed-forward network post_attention_norm, and has biases of queries, keys and values', () => {
    const block = Object.keys(shapesOf(convert('seed-oss'))).filter((name) => name.startsWith('blk.1.'));
    expect(block.sort()).toEqual(
      [
        ...['attn_norm.weight', 'post_attention_norm.weight', 'attn_output.weight'],
        ...['q', 'k', 'v'].flatMap((part) => [`attn_${part}.weight`, `attn_${part}.bias`]),
        ...['ffn_gate.weight', 'ffn_up.weight', 'ffn_down.weight'],
      ]
        .map((name) => `blk.1.${name}`)
        .sort(),
    );
  });

  it.each([
    [{ attention_out_bias: true }, /attention_out_bias/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ hidden_act: 'gelu' }, /"gelu"/],
    [{ rope_scaling: { rope_type: 'llama3', factor: 8 } }, /"llama3" with these settings/],
    [{ attention_bias: false }, /6 tensors are unexpected: "model\.layers\.0\.self_attn\.q_proj\.bias"/],
  ])('rejects %j', (change, message) => {
    expect(() => convert('seed-oss', change)).toThrow(message);
  });
});

describe('ernie 4.5 conversion', () => {
  it('leaves the rows of queries and keys in their order, which is that of llama.cpp', () => {
    const { tensors } = convert('ernie 4.5');
    expect(tensors.filter(({ unit }) => unit !== undefined)).toEqual([]);
  });

  it('has the defaults of the class', () => {
    const absent = { rope_theta: undefined, tie_word_embeddings: undefined, rms_norm_eps: undefined };
    expect(keyValuesOf(convert('ernie 4.5', absent))).toMatchObject({
      'ernie4_5.rope.freq_base': 500_000,
      'ernie4_5.attention.layer_norm_rms_epsilon': 1e-5,
    });
  });

  it('rejects biases, which llama.cpp does not add everywhere', () =>
    expect(() => convert('ernie 4.5', { use_bias: true })).toThrow(/"use_bias" is true/));
});

describe('ernie 4.5 with experts', () => {
  const name = 'ernie 4.5 with experts';

  it('has experts from the block on that config.json names, a bias of their choice, and shared ones', () => {
    const shapes = shapesOf(convert(name));
    expect(shapes['blk.0.ffn_up.weight']).toEqual([96, 64]);
    expect(shapes).toMatchObject({
      'blk.1.ffn_up_exps.weight': [4, 32, 64],
      'blk.1.exp_probs_b.bias': [4],
      'blk.1.ffn_up_shexp.weight': [64, 64],
    });
    expect(Object.keys(shapes).filter((tensor) => tensor.includes('mtp'))).toEqual([]);
    expect(keyValuesOf(convert(name))).toMatchObject({
      'ernie4_5-moe.leading_dense_block_count': 1,
      'ernie4_5-moe.interleave_moe_layer_step': 1,
      'ernie4_5-moe.expert_shared_feed_forward_length': 64,
    });
  });

  it.each([
    [
      { moe_layer_end_index: 1 },
      /"moe_layer_end_index" is 1, but llama\.cpp has experts up to the last of 3/,
    ],
    [{ moe_norm_min: 0.1 }, /moe_norm_min/],
    [{ moe_layer_interval: 2 }, /6 tensors are missing: "layers\.0|tensors are unexpected/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});

describe('internlm3 conversion', () => {
  it('is written as llama, with a note on dynamic rope scaling', () => {
    const { architecture, notes } = convert('internlm3');
    expect(architecture).toBe('llama');
    expect(notes).toEqual([expect.stringContaining('Dynamic rope scaling stretches texts of more than 256')]);
  });

  it('has biases of queries, keys and values by "qkv_bias", and all others by "bias"', () => {
    expect(() => convert('internlm3', { qkv_bias: true })).toThrow(/6 tensors are missing: .*q_proj\.bias/);
    expect(() => convert('internlm3', { bias: true })).toThrow(
      /8 tensors are missing: .*o_proj\.bias.*mlp\.gate_proj\.bias/,
    );
  });
});

describe('arcee conversion', () => {
  it('has no gate', () =>
    expect(Object.keys(shapesOf(convert('arcee'))).filter((name) => /blk\.0\.ffn/.test(name))).toEqual([
      'blk.0.ffn_norm.weight',
      'blk.0.ffn_up.weight',
      'blk.0.ffn_down.weight',
    ]));

  it.each([
    [{ hidden_act: 'silu' }, /"silu"; GGUF can express "relu2"/],
    [{ mlp_bias: true }, /mlp_bias/],
    [{ attention_bias: true }, /attention_bias/],
  ])('rejects %j', (change, message) => {
    expect(() => convert('arcee', change)).toThrow(message);
  });
});

describe('exaone4 conversion', () => {
  const windowed = 'exaone4 with a window';

  it('states its window, which llama.cpp needs', () => {
    expect(keyValuesOf(convert(windowed))['exaone4.attention.sliding_window']).toBe(16);
    expect(Object.keys(keyValuesOf(convert('exaone4')))).not.toContain('exaone4.attention.sliding_window');
  });

  it.each([{ sliding_window_pattern: 4 }, { sliding_window_pattern: 'LLLG' }, {}])(
    'reads which layers have it by %j, too',
    (change) => {
      const { keyValues } = convert(windowed, { layer_types: undefined, ...change });
      expect(keyValues).toEqual(convert(windowed).keyValues);
    },
  );

  it.each([
    [windowed, { sliding_window: null }, /64 layers and "sliding_window" null: .* models of 64 layers/],
    ['exaone4', { sliding_window: 16 }, /2 layers and "sliding_window" 16: .* models of 64 layers/],
    [windowed, { layer_types: undefined, sliding_window_pattern: 3 }, /not all but every 4th|do not repeat/],
    [windowed, { layer_types: undefined, sliding_window_pattern: 'LLXG' }, /letters L and G are needed/],
  ])('rejects what llama.cpp would do otherwise: %s %j', (name, change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});

describe('hunyuan conversion', () => {
  it('raises theta by "alpha", whatever the length of the text', () => {
    expect(keyValuesOf(convert('hunyuan with alpha'))['hunyuan-dense.rope.freq_base']).toBeCloseTo(
      10_000 * 1000 ** (32 / 30),
      3,
    );
    expect(keyValuesOf(convert('hunyuan'))['hunyuan-dense.rope.freq_base']).toBe(10_000);
  });

  it.each([
    [{ use_qk_norm: false }, /use_qk_norm/],
    [{ num_experts: 16 }, /num_experts/],
    [{ use_cla: true }, /use_cla/],
  ])('rejects %j', (change, message) => {
    expect(() => convert('hunyuan', change)).toThrow(message);
  });
});

describe('hunyuan with experts', () => {
  const name = 'hunyuan with experts';

  it('has a network of the size of an expert that all tokens go through', () => {
    expect(shapesOf(convert(name))).toMatchObject({
      'blk.0.ffn_gate_inp.weight': [4, 64],
      'blk.0.ffn_down_exps.weight': [4, 64, 96],
      'blk.0.ffn_down_shexp.weight': [64, 96],
    });
    expect(keyValuesOf(convert(name, { moe_topk: 2 }))).toEqual(keyValuesOf(convert(name)));
  });

  it.each([
    [{ moe_topk: [1, 2] }, /"moe_topk" differs between layers/],
    [{ moe_intermediate_size: 32 }, /"moe_intermediate_size" is 32; "intermediate_size" is 96/],
    [{ norm_topk_prob: false }, /norm_topk_prob/],
    [{ moe_drop_tokens: true }, /moe_drop_tokens/],
  ])('rejects %j', (change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});

describe('minicpm conversion', () => {
  it('writes the factors, and both lists of divisors of LongRoPE', () => {
    const converted = convert('minicpm4 with LongRoPE');
    const values = keyValuesOf(converted);
    expect(values['minicpm.embedding_scale']).toBe(12);
    expect(values['minicpm.residual_scale']).toBeCloseTo(1.4 / Math.SQRT2, 12);
    expect(values['minicpm.logit_scale']).toBe(4);
    expect(converted.computed.map(({ to }) => to)).toEqual([
      'rope_factors_long.weight',
      'rope_factors_short.weight',
    ]);
  });

  it('says where sparse attention is left out', () =>
    expect(convert('minicpm', { sparse_config: { kernel_size: 32 } }).notes).toEqual([
      expect.stringContaining('turns on sparse attention for long texts ("sparse_config")'),
    ]));

  it('rejects experts', () =>
    expect(() => convert('minicpm', { num_experts: 8 })).toThrow(/"num_experts" is 8/));
});
