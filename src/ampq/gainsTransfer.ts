import { QuantscopeError } from '../model/errors';
import type { Budget, SensitivityTable } from '../protocol/plan';
import { said } from '../protocol/said';
import { isWithin, solveBudget } from './solve';

/** What plans lose that are made by the gains of another model, at one budget; nats per token. */
export interface TransferredPlan {
  readonly bitsPerWeight: number;
  /** Of the plan by the model's own gains. */
  readonly own: number;
  /** Of the plan by the other gains, as the model's own predict it: never less than `own`. */
  readonly transferred: number;
  /** What the other gains predict of their plan. */
  readonly predicted: number;
}

/** How far the gains of another model hold for this one. */
export interface GainsTransfer {
  /** Geometric mean of other gain / own gain. */
  readonly ratio: number;
  /** Geometric standard deviation of it over the tensors: 1 where gains are proportional. */
  readonly spread: number;
  readonly plans: readonly TransferredPlan[];
}

/** Budgets that plans are compared at, bits per weight. */
const budgets = [3, 3.5, 4, 4.5, 5, 6];

/**
 * Compares plans by the gains of another model with plans by the model's own.
 * @param own the table with the model's gains. @param other the same table with the others.
 * @throws QuantscopeError REQUEST for a tensor that either lacks a gain of.
 */
export function compareGains(own: SensitivityTable, other: SensitivityTable): GainsTransfer {
  const gains = gainsOf(own);
  const others = gainsOf(other);
  const measured = new Set(
    own.rows.flatMap((row, i) => (row.measured && other.rows[i]!.measured ? [row.tensor] : [])),
  );
  const logs = [...gains].flatMap(([tensor, gain]) => {
    if (!measured.has(tensor)) return []; // one of them is an estimate
    const log = Math.log(others.get(tensor)! / gain);
    return Number.isFinite(log) ? [log] : []; // a gain of 0: the tensor has no influence
  });
  const mean = logs.reduce((sum, log) => sum + log, 0) / logs.length;
  const variance = logs.reduce((sum, log) => sum + (log - mean) ** 2, 0) / logs.length;
  const plans = budgets.flatMap((bits) => transferred(own, other, bits));
  return { ratio: Math.exp(mean), spread: Math.exp(Math.sqrt(variance)), plans };
}

/** None where the measured formats do not reach down to the budget. */
function transferred(own: SensitivityTable, other: SensitivityTable, bits: number): TransferredPlan[] {
  const budget: Budget = { kind: 'bits-per-weight', value: bits };
  if (!isWithin(own, budget)) return [];
  const gains = gainsOf(own);
  const { assignments, total } = solveBudget(other, budget);
  const byOwn = assignments.reduce(
    (sum, { tensor, relativeSquaredError = 0 }) => sum + gains.get(tensor)! * relativeSquaredError,
    0,
  );
  const best = solveBudget(own, budget).total.divergence!;
  return [{ bitsPerWeight: bits, own: best, transferred: byOwn, predicted: total.divergence! }];
}

function gainsOf({ rows }: SensitivityTable): Map<string, number> {
  return new Map(
    rows.map(({ tensor, gain }) => {
      if (gain === undefined)
        throw new QuantscopeError(
          'REQUEST',
          said`This tensor has no gain, so that plans cannot be compared.`,
          {
            tensor,
          },
        );
      return [tensor, gain];
    }),
  );
}
