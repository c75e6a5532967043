import { QuantscopeError } from '../model/errors';
import {
  budgetRange,
  choicesOf,
  type Budget,
  type PlanAssignment,
  type PlanChoice,
  type SensitivityRow,
  type SensitivityTable,
} from '../protocol/plan';
import { knapsackSolver, type Effort, type KnapsackSolver } from './knapsack';

export interface Assignment {
  readonly assignments: readonly PlanAssignment[];
  /** Tensor data of the whole model, bytes. */
  readonly bytes: number;
  /** Of the assigned tensors: 8 · their bytes / their weights. */
  readonly bitsPerWeight: number;
  /** Σ relative squared error · weights / Σ weights over the assigned tensors. */
  readonly error: number;
  /** Σ relative squared error · gain; where every row has one. */
  readonly divergence?: number;
  /** False when the exact search was cut short; `gap` bounds the relative distance to the optimum. */
  readonly optimal: boolean;
  readonly gap: number;
}

/** Metadata and header of an exported file on top of its tensor data (bytes); a safe estimate when nobody knows better. */
export const defaultOverheadBytes = 2 * 1024 * 1024;

/** A table made ready for any budget. */
interface Prepared {
  readonly rows: readonly SensitivityRow[];
  /** Their weights in all. */
  readonly weights: number;
  readonly hasGains: boolean;
  readonly solver: KnapsackSolver;
  /** What each row becomes with each of its cells. */
  readonly assignments: readonly (readonly PlanAssignment[])[];
}

/** Tables are not changed, so that each is prepared once: a slider solves the same one at every step. */
const tables = new WeakMap<SensitivityTable, Prepared>();

function prepared(table: SensitivityTable): Prepared {
  const known = tables.get(table);
  if (known) return known;
  const fresh = prepare(table);
  tables.set(table, fresh);
  return fresh;
}

function prepare({ rows }: SensitivityTable): Prepared {
  const choices = rows.map(choicesOf);
  // A tensor that is written without loss, as nothing else can be done with it, needs no gain.
  const hasGains = rows.every(
    ({ gain }, i) =>
      gain !== undefined || choices[i]!.every(({ relativeSquaredError }) => relativeSquaredError === 0),
  );
  const factor = ({ gain, weights }: SensitivityRow): number => (hasGains ? (gain ?? 0) : weights);
  return {
    ...{ rows, weights: rows.reduce((sum, row) => sum + row.weights, 0), hasGains },
    solver: knapsackSolver(
      choices.map((options, i) =>
        options.map(({ bytes, relativeSquaredError }) => ({
          bytes,
          cost: relativeSquaredError * factor(rows[i]!),
        })),
      ),
    ),
    assignments: choices.map((options, i) => options.map((choice) => assignmentOf(rows[i]!, choice))),
  };
}

/**
 * The assignment of formats to tensors of smallest Σ relative squared error · gain within the budget: exact. Without gains the numbers
 * of weights take their place.
 * @param overheadBytes what the file holds besides tensor data; counts against a budget in bytes.
 * @param effort `quick` may miss the optimum, by `gap` at most.
 * @throws QuantscopeError REQUEST naming the smallest possible budget when this one is too small.
 */
export function solveBudget(
  table: SensitivityTable,
  budget: Budget,
  overheadBytes = 0,
  effort: Effort = 'exact',
): Assignment {
  if (!table.rows.some(({ cells }) => cells.length > 0))
    throw new QuantscopeError('REQUEST', 'Nothing was measured yet: run the sensitivity analysis first.');
  const { rows, weights, hasGains, solver, assignments: options } = prepared(table);
  const { fixedBytes } = table;
  const available =
    budget.kind === 'bytes'
      ? budget.value - overheadBytes - fixedBytes
      : // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
        (budget.value * weights) / 8 + 0.5;
  const solved = solver(Math.floor(available), effort);
  if (!solved) throw tooSmall(table, budget, overheadBytes);
  const assignments = options.map((cells, row) => cells[solved.chosen[row]!]!);
  return {
    assignments,
    bytes: fixedBytes + solved.bytes,
    bitsPerWeight: (8 * solved.bytes) / weights,
    error: sumOf(assignments, (item, i) => item.relativeSquaredError! * rows[i]!.weights) / weights,
    ...(hasGains ? { divergence: solved.cost } : {}),
    optimal: solved.optimal,
    gap: solved.gap,
  };
}

const sumOf = <T>(items: readonly T[], value: (item: T, index: number) => number): number =>
  items.reduce((sum, item, index) => sum + value(item, index), 0);

function tooSmall(table: SensitivityTable, budget: Budget, overheadBytes: number): QuantscopeError {
  const least = sumOf(
    table.rows.map((row) => Math.min(...choicesOf(row).map(({ bytes }) => bytes))),
    (bytes) => bytes,
  );
  const smallest =
    budget.kind === 'bytes'
      ? `${least + table.fixedBytes + overheadBytes} bytes`
      : `${budgetRange(table).min.toFixed(4)} bits per weight`;
  return new QuantscopeError(
    'REQUEST',
    `The budget is too small: with the measured formats the model takes at least ${smallest}.`,
  );
}

function assignmentOf(
  { tensor, sources, gain }: SensitivityRow,
  { format, bitsPerWeight, bytes, relativeSquaredError }: PlanChoice,
): PlanAssignment {
  return {
    ...{ tensor, sources, format, bitsPerWeight, bytes, relativeSquaredError },
    ...(gain === undefined ? {} : { gain }),
  };
}
