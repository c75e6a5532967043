import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../../support/checkpoints';
import { describeTensors, keyValuesOf, rowsOf, shapesOf } from '../support';

const convert = (name: string, change: object = {}) =>
  convertCheckpoint(
    describeTensors(checkpoints[name]!.shapes, 'BF16'),
    { ...checkpoints[name]!.config, ...change },
    'config.json',
  );

describe('granite conversion', () => {
  it('writes the factors, which are 1 where config.json does not state them', () => {
    expect(keyValuesOf(convert('granite'))).toMatchObject({
      'granite.embedding_scale': 6,
      'granite.residual_scale': 0.3,
      'granite.attention.scale': 0.2,
      'granite.logit_scale': 0.5,
    });
    const absent = { embedding_multiplier: undefined, attention_multiplier: undefined };
    expect(keyValuesOf(convert('granite', absent))).toMatchObject({
      'granite.embedding_scale': 1,
      'granite.attention.scale': 1,
    });
  });

  it('takes gates and what they open apart, in each expert and in the network besides them', () => {
    const converted = convert('granitemoe with a shared network');
    expect(rowsOf(converted, 'blk.1.ffn_gate_exps.weight')).toEqual(
      [0, 64, 128, 192].map((row) => [row, 32]),
    );
    expect(rowsOf(converted, 'blk.1.ffn_up_exps.weight')).toEqual([32, 96, 160, 224].map((row) => [row, 32]));
    expect(rowsOf(converted, 'blk.1.ffn_up_shexp.weight')).toEqual([[48, 48]]);
    expect(shapesOf(converted)['blk.1.ffn_down_exps.weight']).toEqual([4, 64, 32]);
    expect(keyValuesOf(converted)['granitemoe.expert_shared_feed_forward_length']).toBe(48);
  });

  it('has no shared network where config.json states no size of one', () => {
    const { config, shapes } = checkpoints['granitemoe with a shared network']!;
    const own = Object.entries(shapes).filter(([name]) => !name.includes('shared_mlp'));
    const absent = { ...config, shared_intermediate_size: undefined };
    const converted = convertCheckpoint(describeTensors(Object.fromEntries(own)), absent, 'config.json');
    expect(keyValuesOf(converted)).not.toHaveProperty('granitemoe.expert_shared_feed_forward_length');
    expect(Object.keys(shapesOf(converted)).filter((name) => name.includes('shexp'))).toEqual([]);
  });

  it('chooses the architecture of Granite 4 by its layers and experts', () => {
    const made = (name: string) => convert(name).architecture;
    expect(made('granitehybrid')).toBe('granitehybrid');
    expect(made('granitehybrid with experts')).toBe('granitehybrid');
    expect(made('granite 4, attention only')).toBe('granite');
    expect(made('granite 4, experts and attention only')).toBe('granitemoe');
  });

  it('says by layer how many heads of keys there are: none where the state is another', () => {
    expect(keyValuesOf(convert('granitehybrid'))).toMatchObject({
      'granitehybrid.attention.head_count_kv': [0, 2],
      'granitehybrid.rope.scaling.finetuned': false,
      'granitehybrid.feed_forward_length': 48,
      'granitehybrid.ssm.inner_size': 128,
      'granitehybrid.ssm.time_step_rank': 4,
    });
    expect(shapesOf(convert('granitehybrid'))).toMatchObject({
      'blk.0.ssm_in.weight': [128 + 160 + 4, 64],
      'blk.0.ssm_a': [4, 1],
      'blk.0.ssm_d': [4, 1],
      'blk.0.ssm_norm.weight': [1, 128],
      'blk.0.ssm_conv1d.bias': [160],
      'blk.0.ffn_up.weight': [48, 64],
    });
  });

  it('takes steps without an upper limit, also as transformers 5 writes infinity', () => {
    for (const limit of [Infinity, { __float__: 'Infinity' }])
      expect(keyValuesOf(convert('granitehybrid', { time_step_limit: [0, limit] }))).toEqual(
        keyValuesOf(convert('granitehybrid')),
      );
  });

  it.each([
    ['granitehybrid', { layer_types: ['mamba', 'conv'] }, /layers of type "conv"/],
    ['granitehybrid', { layer_types: ['mamba'] }, /one of each of 2 layers/],
    ['granitehybrid', { mamba_d_head: 16 }, /"mamba_d_head" is 16/],
    ['granitehybrid', { mamba_proj_bias: true }, /"mamba_proj_bias"/],
    ['granitehybrid', { mamba_n_groups: 3 }, /a divisor of 4 heads/],
    ['granitehybrid', { time_step_limit: [0.01, 1] }, /limits steps/],
    ['granitehybrid', { time_step_limit: [0.01, { __float__: 'Infinity' }] }, /limits steps/],
    ['granitehybrid', { position_embedding_type: 'alibi' }, /"alibi"/],
    ['granite 4, experts and attention only', { position_embedding_type: 'nope' }, /would rotate queries/],
    ['granite', { hidden_act: 'gelu' }, /"gelu"/],
    ['granite', { residual_multiplier: 0 }, /"residual_multiplier" is 0; a positive number/],
    ['granite', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /"llama3" with these settings/],
    ['granitemoe', { attention_bias: true }, /"attention_bias" is true/],
  ])('%s: rejects %j', (name, change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});
