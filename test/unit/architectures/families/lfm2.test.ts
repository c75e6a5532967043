import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../../support/checkpoints';
import { describeTensors, keyValuesOf, shapesOf } from '../support';

const convert = (name: string, change: object = {}) =>
  convertCheckpoint(
    describeTensors(checkpoints[name]!.shapes, 'BF16'),
    { ...checkpoints[name]!.config, ...change },
    'config.json',
  );

describe('lfm2 conversion', () => {
  it('names convolutions and attention, and says by layer which it is', () => {
    const converted = convert('lfm2');
    expect(keyValuesOf(converted)).toMatchObject({
      'lfm2.attention.head_count_kv': [0, 2],
      'lfm2.shortconv.l_cache': 3,
      'lfm2.attention.layer_norm_rms_epsilon': 1e-5,
    });
    expect(shapesOf(converted)).toMatchObject({
      'token_embd_norm.weight': [64],
      'blk.0.shortconv.in_proj.weight': [192, 64],
      'blk.0.shortconv.conv.weight': [64, 3],
      'blk.0.shortconv.out_proj.weight': [64, 64],
      'blk.1.attn_q_norm.weight': [16],
      'blk.1.attn_output.weight': [64, 64],
    });
  });

  it('takes two thirds of the stated size of networks, rounded up to a multiple, or the size as it is', () => {
    expect(keyValuesOf(convert('lfm2'))['lfm2.feed_forward_length']).toBe(96);
    const own = { block_auto_adjust_ff_dim: false, intermediate_size: 96 };
    expect(keyValuesOf(convert('lfm2', own))['lfm2.feed_forward_length']).toBe(96);
    const scaled = { intermediate_size: 72, block_ffn_dim_multiplier: 2 };
    expect(keyValuesOf(convert('lfm2', scaled))['lfm2.feed_forward_length']).toBe(96);
  });

  it('takes the size of networks from the older name first, and may have no other', () => {
    const size = (change: object) => keyValuesOf(convert('lfm2', change))['lfm2.feed_forward_length'];
    expect(size({ block_ff_dim: 132, intermediate_size: 64 })).toBe(96);
    expect(size({ block_ff_dim: 132, intermediate_size: undefined })).toBe(96);
  });

  it('knows layers by their numbers where their kinds are not listed', () => {
    const numbered = { layer_types: undefined, full_attn_idxs: [1] };
    expect(keyValuesOf(convert('lfm2', numbered))).toEqual(keyValuesOf(convert('lfm2')));
  });

  it('has experts after the dense blocks', () => {
    const converted = convert('lfm2 with experts');
    expect(keyValuesOf(converted)).toMatchObject({
      'lfm2moe.leading_dense_block_count': 1,
      'lfm2moe.expert_gating_func': 2,
      'lfm2moe.expert_feed_forward_length': 32,
    });
    expect(shapesOf(converted)).toMatchObject({
      'blk.0.ffn_up.weight': [96, 64],
      'blk.1.ffn_up_exps.weight': [4, 32, 64],
      'blk.1.exp_probs_b.bias': [4],
    });
  });

  it.each([
    ['lfm2', { conv_bias: true }, /"conv_bias" is true/],
    ['lfm2', { layer_types: ['conv', 'mamba'] }, /layers of type "mamba"/],
    ['lfm2', { layer_types: ['conv'] }, /one of each of 2 layers/],
    ['lfm2 with experts', { norm_topk_prob: false }, /"norm_topk_prob" is false/],
    ['lfm2 with experts', { routed_scaling_factor: 2 }, /"routed_scaling_factor" is 2/],
  ])('%s: rejects %j', (name, change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});
