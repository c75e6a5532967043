import { describe, expect, it } from 'vitest';
import type { PlanConstraint } from '../../../src/protocol/plan';
import {
  exactPattern,
  patternFor,
  withExclusion,
  withoutPattern,
  withPin,
} from '../../../src/ampq/constraintEdits';

const all = [
  'token_embd.weight',
  ...[0, 1, 10].flatMap((layer) =>
    ['attn_q', 'attn_k', 'ffn_down'].map((role) => `blk.${layer}.${role}.weight`),
  ),
  'output.weight',
];
const matched = (pattern: string): string[] => all.filter((name) => new RegExp(pattern).test(name));

describe('the pattern for tensors', () => {
  it('is about one tensor, whose dots are dots', () => {
    const pattern = exactPattern('blk.1.attn_q.weight');
    expect(pattern).toBe('^blk\\.1\\.attn_q\\.weight$');
    expect(matched(pattern)).toEqual(['blk.1.attn_q.weight']);
    expect(new RegExp(pattern).test('blkx1.attn_q.weight')).toBe(false);
  });

  it('is short for a role in all layers and for a layer, and a list for anything else', () => {
    const role = all.filter((name) => name.includes('attn_q'));
    expect(patternFor(role, all)).toBe('^blk\\.\\d+\\.attn_q\\.weight$');
    const layer = all.filter((name) => name.startsWith('blk.1.'));
    expect(patternFor(layer, all)).toBe('^blk\\.1\\.');
    const some = ['blk.0.attn_q.weight', 'output.weight'];
    expect(matched(patternFor(some, all))).toEqual(some);
    for (const names of [role, layer]) expect(matched(patternFor(names, all))).toEqual(names);
  });
});

describe('constraints of single tensors', () => {
  const minimum: PlanConstraint = { tensors: 'attn', minBits: 4 };

  it('replace each other, and leave others as they are', () => {
    const pinned = withPin([minimum], '^a$', 'Q4_K');
    expect(pinned).toEqual([minimum, { tensors: '^a$', allow: ['Q4_K'] }]);
    expect(withPin(pinned, '^a$', 'Q6_K')).toEqual([minimum, { tensors: '^a$', allow: ['Q6_K'] }]);
    const excluded = withExclusion(pinned, '^a$', 'Q4_K');
    expect(excluded).toEqual([minimum, { tensors: '^a$', exclude: ['Q4_K'] }]);
    expect(withExclusion(withExclusion(excluded, '^a$', 'Q6_K'), '^a$', 'Q6_K')).toEqual([
      minimum,
      { tensors: '^a$', exclude: ['Q4_K', 'Q6_K'] },
    ]);
    expect(withoutPattern(excluded, '^a$')).toEqual([minimum]);
  });

  it('keep a list of allowed formats where one is excluded', () => {
    const list: PlanConstraint = { tensors: '^a$', allow: ['Q5_K', 'Q6_K'] };
    expect(withExclusion([list], '^a$', 'Q6_K')).toEqual([list, { tensors: '^a$', exclude: ['Q6_K'] }]);
  });

  it('leave minima and agreement of the same pattern', () => {
    const own: PlanConstraint = { tensors: '^a$', allow: ['Q4_K'], minBits: 3, agree: true };
    expect(withoutPattern([own], '^a$')).toEqual([{ tensors: '^a$', minBits: 3, agree: true }]);
    expect(withPin([own], '^a$', 'Q8_0')).toEqual([
      { tensors: '^a$', minBits: 3, agree: true },
      { tensors: '^a$', allow: ['Q8_0'] },
    ]);
  });
});
