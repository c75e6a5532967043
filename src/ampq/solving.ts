import { solveFit, type FittingPlan } from './fits/solveFit';
import { makePlan } from './planFile';
import { frontRange } from './planFront';
import { smallestBudget } from './smallestBudget';
import type { Effort } from './knapsack';
import { solveByBits } from '../protocol/fewBits';
import type { FitRequest } from '../protocol/fit';
import type { LoadedModel } from '../protocol/loadedModel';
import type { FileFrame } from '../protocol/fileFrame';
import type { Budget, Plan, PlanConstraint, SensitivityTable } from '../protocol/plan';

/** Plans by the gains for their bits per weight, which the command line takes, too. */

/** Bits per weight of the first plan that is shown: about what Q4_K_M takes. */
export const firstBits = 4.85;

export const bitsOf = ({ total }: Pick<Plan, 'total'>): number => total.bitsPerWeight;

/** @throws QuantscopeError REQUEST as `makePlan`. */
export const solved = (
  table: SensitivityTable,
  budget: Budget,
  constraints: readonly PlanConstraint[],
  { frame, effort = 'exact' }: { readonly frame?: FileFrame | undefined; readonly effort?: Effort } = {},
): Plan => solveByBits(table, (one) => makePlan(one, budget, frame, { effort, constraints }), bitsOf);

/** The plan of about this size: as near as constraints and measured formats permit. */
export function solvedNear(
  table: SensitivityTable,
  bitsPerWeight: number,
  constraints: readonly PlanConstraint[],
  effort: Effort = 'exact',
): Plan {
  const { min, max } = frontRange(table, constraints);
  const value = Math.max(min, Math.min(max, bitsPerWeight));
  return solved(table, { kind: 'bits-per-weight', value }, constraints, { effort });
}

/** The fewest bits per weight that are predicted to diverge by at most so much. @throws QuantscopeError REQUEST as `smallestBudget`. */
export function bitsForDivergence(
  table: SensitivityTable,
  divergence: number,
  constraints: readonly PlanConstraint[],
): number {
  const weights = table.rows.reduce((sum, row) => sum + row.weights, 0);
  const dataOnly = { bytes: 0, alignment: 1 };
  const bitsBy = (one: SensitivityTable): number =>
    (8 * smallestBudget(one, divergence, dataOnly, constraints).value) / weights;
  return solveByBits(table, bitsBy, (bits) => bits);
}

/** The best plan whose model fits into one memory, or into two. @throws QuantscopeError REQUEST as `solveFit`. */
export const solvedFit = (
  table: SensitivityTable,
  loaded: LoadedModel,
  request: FitRequest,
  constraints: readonly PlanConstraint[],
): FittingPlan =>
  solveByBits(
    table,
    (one) => solveFit(one, loaded, request, constraints),
    ({ plan }) => bitsOf(plan),
  );
