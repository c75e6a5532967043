import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../src/architectures/convertCheckpoint';
import { checkpoints } from '../../support/checkpoints';
import { describeTensors, keyValuesOf, rowsOf, shapesOf } from './support';

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

  it.each([
    ['granite', { hidden_act: 'gelu' }, /"gelu"/],
    ['granite', { residual_multiplier: 0 }, /"residual_multiplier" is 0; a positive number/],
    ['granite', { rope_scaling: { rope_type: 'llama3', factor: 8 } }, /"llama3" with these settings/],
    ['granitemoe', { attention_bias: true }, /"attention_bias" is true/],
  ])('%s: rejects %j', (name, change, message) => {
    expect(() => convert(name, change)).toThrow(message);
  });
});
