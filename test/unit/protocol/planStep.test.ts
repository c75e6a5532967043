import { describe, expect, it } from 'vitest';
import type { Plan, PlanAssignment } from '../../../src/protocol/plan';
import { planAfter, PlanSteps } from '../../../src/protocol/planStep';

const bits: Readonly<Record<string, number>> = { Q4_K: 4.5, Q6_K: 6.5625, Q8_0: 8.5 };

const assignment = (tensor: string, format: string): PlanAssignment => ({
  ...{ tensor, sources: [tensor], format, bitsPerWeight: bits[format]!, bytes: 32 * bits[format]! },
  relativeSquaredError: 4 ** -bits[format]!,
});

const planOf = (value: number, formats: Readonly<Record<string, string>>): Plan => ({
  ...{
    version: 2,
    model: { name: 'm', hash: 'h', parameters: 1 },
    budget: { kind: 'bits-per-weight', value },
  },
  total: { bytes: 1000 * value, bitsPerWeight: value, error: 1 / value },
  notes: [],
  assignments: Object.entries(formats).map(([tensor, format]) => assignment(tensor, format)),
});

const small = planOf(4.5, { a: 'Q4_K', b: 'Q4_K', c: 'Q4_K' });
const middle = planOf(5.2, { a: 'Q4_K', b: 'Q6_K', c: 'Q4_K' });
const large = planOf(7, { a: 'Q8_0', b: 'Q6_K', c: 'Q6_K' });

describe('steps from plan to plan', () => {
  it('begin with a whole plan and go on with what changes', () => {
    const steps = new PlanSteps();
    const first = steps.next(small, undefined);
    expect(first.assignments).toEqual({ all: small.assignments });
    const second = steps.next(middle, first.id);
    expect(second.assignments).toEqual({ changed: [[1, middle.assignments[1]]] });
    const third = steps.next(large, second.id);
    const received = [first, second, third].reduce<Plan | undefined>(planAfter, undefined);
    expect(received).toEqual(large);
  });

  it('bring figures that were measured since, though the format is the same', () => {
    const steps = new PlanSteps();
    const first = steps.next(small, undefined);
    const measured = { ...small, assignments: small.assignments.map((item) => ({ ...item, gain: 0.5 })) };
    expect(planAfter(small, steps.next(measured, first.id))).toEqual(measured);
  });

  it('are whole for a receiver that has another plan', () => {
    const steps = new PlanSteps();
    const { id } = steps.next(small, undefined);
    steps.next(middle, id);
    expect(steps.next(large, id).assignments).toEqual({ all: large.assignments });
    expect(steps.next(small, undefined).assignments).toEqual({ all: small.assignments });
  });

  it('are whole where the tensors are others', () => {
    const steps = new PlanSteps();
    const { id } = steps.next(small, undefined);
    const fewer = planOf(4.5, { a: 'Q4_K', b: 'Q4_K' });
    const second = steps.next(fewer, id);
    expect(second.assignments).toEqual({ all: fewer.assignments });
    const renamed = planOf(4.5, { a: 'Q4_K', z: 'Q4_K' });
    expect(steps.next(renamed, second.id).assignments).toEqual({ all: renamed.assignments });
  });

  it('change nothing in the plan that they start from', () => {
    const steps = new PlanSteps();
    const { id } = steps.next(small, undefined);
    const before = structuredClone(small);
    planAfter(small, steps.next(middle, id));
    expect(small).toEqual(before);
  });

  it('cannot follow a plan that is not known', () => {
    const steps = new PlanSteps();
    const { id } = steps.next(small, undefined);
    expect(() => planAfter(undefined, steps.next(middle, id))).toThrow(RangeError);
  });
});
