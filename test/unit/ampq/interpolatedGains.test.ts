import { describe, expect, it } from 'vitest';
import { interpolateGains, isSampled, sampleOfBlocks } from '../../../src/ampq/interpolatedGains';

const named = (block: number, role: string): string => `blk.${block}.${role}.weight`;
const model = (blocks: number, rolesOf: (block: number) => readonly string[]): string[] => [
  'token_embd.weight',
  ...Array.from({ length: blocks }, (_, block) => rolesOf(block).map((role) => named(block, role))).flat(),
  'output.weight',
];
const dense = (): readonly string[] => ['attn_q', 'ffn_up'];
const row = (tensor: string, weights: number, gain?: number) => ({
  ...{ tensor, weights, ...(gain === undefined ? {} : { gain }) },
});

describe('the blocks of a sample', () => {
  it('are spread evenly from the first to the last', () => {
    expect(sampleOfBlocks(model(6, dense), 3)).toEqual([0, 3, 5]);
    expect(sampleOfBlocks(model(32, dense), 5)).toEqual([0, 8, 16, 23, 31]);
  });

  it('have the first and the last tensor of each role, so that none is extrapolated', () => {
    const tensors = model(12, (block) => ['attn_q', block < 3 ? 'ffn_up' : 'ffn_up_exps']);
    expect(sampleOfBlocks(tensors, 3)).toEqual([0, 2, 3, 6, 11]);
  });

  it('are not a sample where they are all', () => {
    expect(sampleOfBlocks(model(6, dense), 6)).toBeUndefined();
    expect(
      sampleOfBlocks(
        model(4, (block) => [`role${block}`]),
        3,
      ),
    ).toBeUndefined();
  });

  it('leave out tensors of other blocks only', () => {
    const names = [named(0, 'attn_q'), named(1, 'attn_q'), 'output.weight'];
    expect(names.map((name) => isSampled(name, [0, 2]))).toEqual([true, false, true]);
    expect(names.every((name) => isSampled(name, undefined))).toBe(true);
  });
});

describe('interpolated gains', () => {
  it('are linear in the logarithm of the gain per weight, between the nearest measured blocks of the role', () => {
    const rows = [
      row(named(0, 'ffn_up'), 100, 1),
      row(named(1, 'ffn_up'), 100),
      row(named(2, 'ffn_up'), 200),
      row(named(4, 'ffn_up'), 100, 16),
      row(named(1, 'attn_q'), 100),
      row('output.weight', 100, 3),
    ];
    const { gains, deviation } = interpolateGains(rows, [0, 4]);
    expect([...gains.keys()]).toEqual([named(1, 'ffn_up'), named(2, 'ffn_up')]);
    expect(gains.get(named(1, 'ffn_up'))).toBeCloseTo(2, 12);
    expect(gains.get(named(2, 'ffn_up'))).toBeCloseTo(8, 12); // 4 for as many weights
    expect(deviation).toBeUndefined(); // nothing measured lies between others
  });

  it('say how exact they are by leaving out each measured one that lies between others', () => {
    const rows = [1, 8, 4, 2, 64].map((gain, block) => row(named(block, 'ffn_up'), 100, gain));
    // Left out, these are predicted as 2, 4 and 16: 1/4, 1 and 8 times what was measured.
    const { gains, deviation } = interpolateGains([...rows, row(named(5, 'ffn_up'), 100)], [0, 1, 2, 3, 4]);
    expect(deviation).toBeCloseTo(2 ** Math.sqrt((4 + 0 + 9) / 3), 12);
    expect(gains.get(named(5, 'ffn_up'))).toBeCloseTo(64, 12); // beyond the last: that of the nearest
  });

  it('pass over measured tensors without influence, unless none has any', () => {
    const rows = [
      ...[row(named(0, 'ffn_up'), 10, 1), row(named(1, 'ffn_up'), 10, 0), row(named(2, 'ffn_up'), 10)],
      ...[row(named(4, 'ffn_up'), 10, 4), row(named(0, 'attn_k'), 10, 0), row(named(2, 'attn_k'), 10)],
    ];
    const { gains, deviation } = interpolateGains([...rows, row(named(4, 'attn_k'), 10, 0)], [0, 1, 4]);
    expect(gains.get(named(2, 'ffn_up'))).toBeCloseTo(2, 12);
    expect(gains.get(named(2, 'attn_k'))).toBe(0);
    expect(deviation).toBeUndefined();
  });
});
