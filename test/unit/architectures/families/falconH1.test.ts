import { describe, expect, it } from 'vitest';
import { convertCheckpoint } from '../../../../src/architectures/convertCheckpoint';
import { changeWeights, type ConvertedTensor } from '../../../../src/architectures/convertedTensor';
import { rowsOf } from '../../../../src/graph/transformer/weightRows';
import { checkpoints } from '../../../support/checkpoints';
import { describeTensors, keyValuesOf, shapesOf } from '../support';

const convert = (name: string, change: object = {}) =>
  convertCheckpoint(
    describeTensors(checkpoints[name]!.shapes, 'BF16'),
    { ...checkpoints[name]!.config, ...change },
    'config.json',
  );

/** The first weight of each row of a tensor whose weights are 1. */
function ofOnes({ shape, ...tensor }: ConvertedTensor): number[] {
  const [rows, columns] = shape as [number, number];
  const values = new Float32Array(rows * columns).fill(1);
  changeWeights({ shape, ...tensor }, values, 0);
  return Array.from({ length: rows }, (_, row) => values[row * columns]!);
}

const named = (name: string, part: string, change?: object): ConvertedTensor =>
  convert(name, change).tensors.find((tensor) => tensor.name === part)!;

describe('falcon-h1 conversion', () => {
  it('has attention and a mixer in each block, and one norm without a suffix', () => {
    expect(keyValuesOf(convert('falconh1'))).toMatchObject({
      ...{ 'falcon-h1.attention.head_count_kv': 2, 'falcon-h1.attention.key_length': 32 },
      ...{
        'falcon-h1.ssm.inner_size': 96,
        'falcon-h1.ssm.time_step_rank': 6,
        'falcon-h1.ssm.group_count': 2,
      },
    });
    const shapes = shapesOf(convert('falconh1'));
    expect(shapes).toMatchObject({
      ...{ 'blk.1.attn_q.weight': [128, 64], 'blk.1.ssm_in.weight': [262, 64], 'blk.1.ffn_norm': [64] },
      'output.weight': [1024, 64],
    });
    expect(shapes).not.toHaveProperty(['blk.0.ssm_norm.weight']);
    expect(shapesOf(convert('falconh1, tied, with norms of groups'))).toMatchObject({
      'blk.0.ssm_norm.weight': [2, 48],
    });
  });

  it('multiplies weights by what config.json multiplies states by', () => {
    const first = (part: string): number => ofOnes(named('falconh1', part))[0]!;
    expect(first('blk.0.attn_q.weight')).toBe(0.5);
    expect(first('blk.0.attn_k.weight')).toBe(0.5 * 0.75);
    expect(first('blk.0.ffn_gate.weight')).toBe(1.75);
    expect(first('blk.0.ffn_up.weight')).toBe(1);
    expect(first('output.weight')).toBe(1.5);
    const rows = ofOnes(named('falconh1', 'blk.1.ssm_in.weight'));
    // Gate, x, B, C and steps.
    expect([0, 95, 96, 191, 192, 223, 224, 255, 256, 261].map((row) => rows[row])).toEqual([
      ...[0.75, 0.75, 0.625, 0.625, 0.875, 0.875, 0.375, 0.375, 0.25, 0.25],
    ]);
  });

  it('has the same factors for some of the rows', () => {
    const part = rowsOf(named('falconh1', 'blk.1.ssm_in.weight'), { first: 95, count: 2 });
    expect(ofOnes(part)).toEqual([0.75, 0.625]);
    const values = new Float32Array(3).fill(1);
    changeWeights(named('falconh1', 'blk.1.ssm_in.weight'), values, 96 * 64 - 1);
    expect([...values]).toEqual([0.75, 0.625, 0.625]);
  });

  it('copies an output that is the embedding, unless both have one factor', () => {
    const name = 'falconh1, tied, with norms of groups';
    expect(ofOnes(named(name, 'output.weight'))[0]).toBe(0.375);
    const alike = { lm_head_multiplier: 1.25 };
    expect(shapesOf(convert(name, alike))).not.toHaveProperty(['output.weight']);
  });

  it.each([
    [{ mlp_multipliers: [1] }, /2 numbers are needed/],
    [{ ssm_multipliers: [1, 1, 1, 1] }, /5 numbers are needed/],
    [{ mamba_rms_norm: true }, /"mamba_norm_before_gate"/],
    [{ mamba_d_head: 8 }, /"mamba_d_head" is 8/],
    [{ projectors_bias: true }, /"projectors_bias"/],
    [{ mamba_n_groups: 4 }, /a divisor of 6 heads/],
  ])('rejects %j', (change, message) => {
    expect(() => convert('falconh1', change)).toThrow(message);
  });
});
