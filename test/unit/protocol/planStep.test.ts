import { describe, expect, it } from 'vitest';
import { toColumns } from '../../../src/protocol/columns';
import type { Plan, PlanAssignment } from '../../../src/protocol/plan';
import { planAfter, PlanSteps, type RevisedPlan } from '../../../src/protocol/planStep';

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

const [first, second, third] = [small, middle, large].map((plan, i) => ({ revision: i + 1, plan })) as [
  RevisedPlan,
  RevisedPlan,
  RevisedPlan,
];
const all = ({ assignments }: Plan) => ({ all: toColumns(assignments) });

describe('steps from plan to plan', () => {
  it('begin with a whole plan and continue with what changes', () => {
    const steps = new PlanSteps();
    const received = [steps.next(first, undefined), steps.next(second, 1), steps.next(third, 2)];
    expect(received.map(({ revision }) => revision)).toEqual([1, 2, 3]);
    expect(received.map(({ assignments }) => assignments)).toEqual([
      all(small),
      { changed: [[1, middle.assignments[1]]] },
      {
        changed: [
          [0, large.assignments[0]],
          [2, large.assignments[2]],
        ],
      },
    ]);
    expect(received.reduce<Plan | undefined>(planAfter, undefined)).toEqual(large);
  });

  it('are empty where the receiver has the plan', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    expect(steps.next(first, 1).assignments).toEqual({ changed: [] });
  });

  it('are whole for a receiver that has another plan', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    steps.next(second, 1);
    expect(steps.next(third, 1).assignments).toEqual(all(large));
    expect(steps.next(first, undefined).assignments).toEqual(all(small));
  });

  it('are whole where the tensors are others', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    const fewer = planOf(4.5, { a: 'Q4_K', b: 'Q4_K' });
    expect(steps.next({ revision: 2, plan: fewer }, 1).assignments).toEqual(all(fewer));
    const renamed = planOf(4.5, { a: 'Q4_K', z: 'Q4_K' });
    expect(steps.next({ revision: 3, plan: renamed }, 2).assignments).toEqual(all(renamed));
  });

  it('hold assignments whose error or gain was measured since', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    const [a, b, c] = small.assignments as [PlanAssignment, PlanAssignment, PlanAssignment];
    const measured = { ...small, assignments: [{ ...a, gain: 0.5 }, { ...b, relativeSquaredError: NaN }, c] };
    const step = steps.next({ revision: 2, plan: measured }, 1);
    expect(step.assignments).toEqual({
      changed: [
        [0, { ...a, gain: 0.5 }],
        [1, { ...b, relativeSquaredError: NaN }],
      ],
    });
    expect(steps.next({ revision: 3, plan: measured }, 2).assignments).toEqual({ changed: [] });
  });

  it('change nothing in the plan that they start from', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    const before = structuredClone(small);
    planAfter(small, steps.next(second, 1));
    expect(small).toEqual(before);
  });

  it('cannot follow a plan that is not known', () => {
    const steps = new PlanSteps();
    steps.next(first, undefined);
    expect(() => planAfter(undefined, steps.next(second, 1))).toThrow(RangeError);
  });
});
