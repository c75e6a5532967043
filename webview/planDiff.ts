import type { Plan, PlanAssignment } from '../src/protocol/plan';
import type { Rung } from '../src/protocol/rungs';
import { influenceOf } from './influence';

/** What another plan gives the tensors of a plan. */
export interface PlanDiff {
  readonly name: string;
  /** Of the other plan. */
  readonly total: Plan['total'];
  /** What its predictions rest on. */
  readonly rung: Rung;
  /** For each tensor of the plan, in its order; undefined where the other does not list it. */
  readonly others: readonly (PlanAssignment | undefined)[];
  /** Places of the tensors that have another format there. */
  readonly changed: readonly number[];
}

export function planDiff(
  { assignments }: Pick<Plan, 'assignments'>,
  other: Pick<Plan, 'assignments' | 'total'> & Pick<PlanDiff, 'name' | 'rung'>,
): PlanDiff {
  const byName = new Map(other.assignments.map((item) => [item.tensor, item]));
  const others = assignments.map(({ tensor }) => byName.get(tensor));
  return {
    ...{ name: other.name, total: other.total, rung: other.rung, others },
    changed: [...assignments.keys()].filter((index) => others[index]?.format !== assignments[index]!.format),
  };
}

/** What some tensors have more in the plan than in the other; undefined where one of them is not listed there, or a figure is not known. */
export function differenceOf(
  { assignments }: Pick<Plan, 'assignments'>,
  { others }: Pick<PlanDiff, 'others'>,
  members: readonly number[],
): { readonly bytes?: number; readonly divergence?: number } {
  const sum = (figure: (item: PlanAssignment) => number | undefined): number | undefined => {
    let total = 0;
    for (const index of members) {
      const other = others[index];
      const [own, theirs] = [figure(assignments[index]!), other && figure(other)];
      if (own === undefined || theirs === undefined) return undefined;
      total += own - theirs;
    }
    return total;
  };
  const bytes = sum((item) => item.bytes);
  const divergence = sum((item) => influenceOf(item, item.relativeSquaredError));
  return {
    ...(bytes === undefined ? {} : { bytes }),
    ...(divergence === undefined ? {} : { divergence }),
  };
}
