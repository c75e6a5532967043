import { describe, expect, it } from 'vitest';
import type { PlanAssignment } from '../../../src/protocol/plan';
import { differenceOf, planDiff } from '../../../webview/planDiff';

const item = (tensor: string, format: string, bytes: number, error?: number): PlanAssignment => ({
  ...{ tensor, sources: [tensor], format, bitsPerWeight: bytes / 10, bytes, gain: 2 },
  ...(error === undefined ? {} : { relativeSquaredError: error }),
});

describe('the difference of two plans', () => {
  const plan = {
    assignments: [item('a', 'Q6_K', 60, 0.01), item('b', 'Q4_K', 40, 0.04), item('c', 'Q4_K', 40, 0.04)],
  };
  const other = {
    ...{ name: 'Q4_K_M', total: { bytes: 150, bitsPerWeight: 5 }, rung: 'gains' as const },
    assignments: [item('b', 'Q6_K', 60, 0.02), item('a', 'Q4_K', 40, 0.05)],
  };
  const diff = planDiff(plan, other);

  it('names the tensors that have another format, whatever the order', () => {
    expect(diff.changed).toEqual([0, 1, 2]);
    expect(diff.others.map((found) => found?.format)).toEqual(['Q4_K', 'Q6_K', undefined]);
    expect(planDiff(plan, { ...other, assignments: plan.assignments }).changed).toEqual([]);
  });

  it('sums bytes and divergences over tensors, where all are known', () => {
    expect(differenceOf(plan, diff, [0])).toEqual({
      bytes: 20,
      divergence: expect.closeTo(-0.08, 12) as number,
    });
    expect(differenceOf(plan, diff, [0, 1])).toEqual({
      bytes: 0,
      divergence: expect.closeTo(-0.04, 12) as number,
    });
    expect(differenceOf(plan, diff, [0, 2])).toEqual({});
    const edited = planDiff(plan, { ...other, assignments: [item('a', 'Q5_K', 50)] });
    expect(differenceOf(plan, edited, [0])).toEqual({ bytes: 10 });
  });
});
