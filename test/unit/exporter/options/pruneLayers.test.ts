import { describe, expect, it } from 'vitest';
import { prunedNames } from '../../../../src/exporter/options/pruneLayers';

const names = [
  'token_embd.weight',
  'blk.0.attn_q.weight',
  'blk.1.attn_q.weight',
  'blk.1.blk.9.weight',
  'blk.2.attn_q.weight',
  'blk.10.attn_q.weight',
  'output.weight',
];

describe('prunedNames', () => {
  it('moves up the blocks after removed ones, and leaves the rest', () => {
    expect([...prunedNames(names, [2, 0, 2])]).toEqual([
      ['token_embd.weight', 'token_embd.weight'],
      ['blk.0.attn_q.weight', undefined],
      ['blk.1.attn_q.weight', 'blk.0.attn_q.weight'],
      ['blk.1.blk.9.weight', 'blk.0.blk.9.weight'],
      ['blk.2.attn_q.weight', undefined],
      ['blk.10.attn_q.weight', 'blk.1.attn_q.weight'],
      ['output.weight', 'output.weight'],
    ]);
  });
  it('rejects a block that does not exist, and removing all', () => {
    expect(() => prunedNames(names, [3])).toThrow(
      'There is no block 3 to leave out; the blocks are 0 to 2, 10.',
    );
    expect(() => prunedNames(names, [0, 1, 2, 10])).toThrow('All blocks would be left out.');
    expect(() => prunedNames(['output.weight'], [0])).toThrow(
      'There is no block 0 to leave out; the model has no blocks.',
    );
  });
});
