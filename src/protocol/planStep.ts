import { fromColumns, toColumns, type Columns } from './columns';
import type { Plan, PlanAssignment } from './plan';

/** A plan, and the revision that names it between a session and its pages. */
export interface RevisedPlan {
  /** Increases with every other plan. */
  readonly revision: number;
  readonly plan: Plan;
}

/**
 * A plan as the difference from the previous one: while a slider moves, few of many thousand assignments change, and the rest
 * need not cross the boundary again.
 */
export interface PlanStep {
  /** Names the plan in the next request. */
  readonly revision: number;
  readonly head: Omit<Plan, 'assignments'>;
  /** All assignments, or those that changed and their places. */
  readonly assignments:
    | { readonly all: Columns<PlanAssignment> }
    | { readonly changed: readonly (readonly [place: number, assignment: PlanAssignment])[] };
}

/** What each plan changes for one receiver. */
export class PlanSteps {
  private last: RevisedPlan | undefined;

  /** @param since revision of the plan that the receiver has; any but the latest makes the step a whole plan. */
  next(current: RevisedPlan, since: number | undefined): PlanStep {
    const { revision, plan } = current;
    const known = this.last?.revision === since ? this.last?.plan : undefined;
    this.last = current;
    const { assignments, ...head } = plan;
    const changed = known && changesOf(known.assignments, assignments);
    return { revision, head, assignments: changed ? { changed } : { all: toColumns(assignments) } };
  }
}

/** What may differ between two assignments of a tensor: its format, and what was measured since. */
const compared = ['format', 'bytes', 'relativeSquaredError', 'gain'] as const;

/** Undefined where the two are not about the same tensors. */
function changesOf(
  before: readonly PlanAssignment[],
  after: readonly PlanAssignment[],
): [number, PlanAssignment][] | undefined {
  if (before.length !== after.length) return undefined;
  const changed: [number, PlanAssignment][] = [];
  for (const [place, item] of after.entries()) {
    const old = before[place]!;
    if (old.tensor !== item.tensor) return undefined;
    if (compared.some((key) => !Object.is(old[key], item[key]))) changed.push([place, item]);
  }
  return changed;
}

/** @param known the plan that the step starts from. @throws RangeError when there is none and the step is not a whole plan. */
export function planAfter(known: Plan | undefined, { head, assignments: step }: PlanStep): Plan {
  if ('all' in step) return { ...head, assignments: fromColumns(step.all) };
  if (!known) throw new RangeError('the plan that this step starts from is unknown');
  const assignments = known.assignments.slice();
  for (const [place, item] of step.changed) assignments[place] = item;
  return { ...head, assignments };
}
