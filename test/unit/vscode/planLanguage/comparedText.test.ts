import { describe, expect, it } from 'vitest';
import { planChanges } from '../../../../src/ampq/planChanges';
import type { Plan, PlanAssignment } from '../../../../src/protocol/plan';
import { comparedText, type ComparedPlans } from '../../../../src/vscode/planLanguage/comparedText';

const item = (tensor: string, format: string, bytes: number, error: number): PlanAssignment => ({
  ...{ tensor, sources: [tensor], format, bitsPerWeight: bytes / 1000, bytes },
  ...{ relativeSquaredError: error, gain: 2 },
});

const plan = (assignments: readonly PlanAssignment[], more: Partial<Plan> = {}): Plan => ({
  version: 2,
  model: { name: 'tiny', hash: 'abc', parameters: 3 },
  budget: { kind: 'bits-per-weight', value: 4.5 },
  total: {
    bytes: assignments.reduce((sum, { bytes }) => sum + bytes, 0),
    bitsPerWeight: 4.25,
    divergence: 0.01,
  },
  notes: [],
  assignments,
  ...more,
});

const compared = (before: Plan, after: Plan): ComparedPlans => ({
  before: { name: 'a.ampq.json', plan: before, isStated: false },
  after: { name: 'b.ampq.json', plan: after, isStated: false },
  changes: planChanges(before, after),
});

describe('two plans as texts', () => {
  const before = plan([
    item('blk.0.attn_q.weight', 'Q4_K', 4500, 0.004),
    item('blk.0.ffn_down.weight', 'Q6_K', 6500, 0.001),
    item('gone', 'Q4_K', 4500, 0.004),
  ]);
  const after = plan([
    item('blk.0.attn_q.weight', 'IQ4_NL', 104_500, 0.0015),
    item('blk.0.ffn_down.weight', 'Q6_K', 6500, 0.001),
  ]);
  const both = compared(before, after);
  const [left, right] = [comparedText(both, 'before'), comparedText(both, 'after')].map((text) =>
    text.split('\n'),
  );

  it('have the same lines, of which only those of changes differ', () => {
    expect(left).toHaveLength(right!.length);
    const differing = left!.filter((line, i) => line !== right![i]);
    expect(differing.map((line) => line.split(/[ :]/)[0])).toEqual([
      'Plan',
      'Size',
      'blk.0.attn_q.weight',
      'gone',
    ]);
  });

  it('say what each tensor has, and what was gained or lost', () => {
    expect(left).toContain('blk.0.attn_q.weight    Q4_K      4.50    4.50 kB          0.008');
    expect(right).toContain(
      'blk.0.attn_q.weight    IQ4_NL  104.50  104.50 kB          0.003  (+100.00 kB, −0.005)',
    );
    expect(right).toContain('gone                   —            —          —              —');
    expect(right).toContain('Only in a.ampq.json: 1 tensor');
    expect(right).toContain('Size: 111.00 kB (+95.50 kB)');
  });

  it('say what makes figures not comparable', () => {
    const other = plan(after.assignments, {
      model: { name: 'other', hash: 'def', parameters: 3 },
      imatrix: { file: 'i.dat', hash: 'x' },
    });
    const text = comparedText(compared(before, other), 'after');
    expect(text).toContain('The plans are of different models.');
    expect(text).toContain('Measured otherwise: no importance matrix, now the importance matrix i.dat');
  });

  it('cannot be reordered by the name of a tensor', () => {
    const name = 'a\u202eb\nc';
    const evil = plan([item(name, 'Q4_K', 1, 0)]);
    const text = comparedText(compared(evil, plan([])), 'before');
    expect(text).toContain('a\\u202eb\\nc');
    expect(text).not.toContain('\u202e');
  });
});
