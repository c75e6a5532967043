import { fitsInto, solveFit } from '../../ampq/fits/solveFit';
import { makePlan } from '../../ampq/planFile';
import { runtimeConstraints } from '../../ampq/runtimes';
import { smallestBudget } from '../../ampq/smallestBudget';
import { estimatedFrame, isWithin } from '../../ampq/solve';
import { QuantscopeError } from '../../model/errors';
import type { LoadedModel } from '../../protocol/loadedModel';
import type { FileFrame } from '../../protocol/fileFrame';
import type { PlanConstraint, SensitivityTable } from '../../protocol/plan';
import type { Planned, PlanGoal } from '../../protocol/recommend';
import type { Runtime } from '../../protocol/runtimes';
import { divergenceWithin, type Targets } from '../../protocol/targets';
import { said } from '../../protocol/said';

/** What a plan is to keep to. */
export interface Wanted {
  readonly goal: PlanGoal;
  readonly frame: FileFrame | undefined;
  /** Present where the goal is a memory. */
  readonly loaded?: LoadedModel | undefined;
  readonly constraints: readonly PlanConstraint[];
  readonly runtime: Runtime | undefined;
}

/** @throws QuantscopeError REQUEST where the table has no such plan. */
export function planFor(table: SensitivityTable, wanted: Wanted): Planned {
  const { goal, frame, loaded } = wanted;
  const constraints = allConstraints(table, wanted);
  const counted = frame ?? estimatedFrame(table);
  if ('budget' in goal) return { plan: makePlan(table, goal.budget, counted, { constraints }) };
  if ('fit' in goal) return solveFit(table, loaded!, goal.fit, constraints);
  const { targets } = goal;
  const budget = smallestBudget(table, predictedWithin(targets, table), counted, constraints);
  return { plan: makePlan(table, budget, counted, { constraints, targets }) };
}

/** Whether formats are small enough for the goal; those of targets never are the reason why there is no plan. */
export function isReached(table: SensitivityTable, wanted: Wanted): boolean {
  const { goal, frame, loaded } = wanted;
  const constraints = allConstraints(table, wanted);
  if ('budget' in goal) return isWithin(table, goal.budget, frame ?? estimatedFrame(table), constraints);
  return 'targets' in goal || fitsInto(table, loaded!, goal.fit, constraints);
}

/** Those that are asked for, and those of the runtime. */
const allConstraints = ({ rows }: SensitivityTable, { constraints, runtime }: Wanted): PlanConstraint[] => [
  ...constraints,
  ...(runtime === undefined
    ? []
    : runtimeConstraints(
        runtime,
        rows.map(({ tensor }) => tensor),
      )),
];

/**
 * The largest mean divergence that is predicted to keep targets, nats per token.
 * @throws QuantscopeError REQUEST where only the mean can be predicted.
 */
function predictedWithin(targets: Targets, { gainsFrom, modelName }: SensitivityTable): number {
  const { mean, ...others } = targets;
  if (mean !== undefined && Object.keys(others).length === 0) return mean;
  if (gainsFrom?.spread) return divergenceWithin(targets, gainsFrom.spread);
  const message = said`The gains of ${modelName} do not say how the divergence of single tokens follows from the mean, as there are none over a text or no tensor changes the output: only --kld can be predicted.`;
  throw new QuantscopeError('REQUEST', message);
}
