import { QuantscopeError } from '../model/errors';
import type { Budget, PlanAssignment, SensitivityRow, SensitivityTable } from '../protocol/plan';
import { solveKnapsack } from './knapsack';

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

/**
 * The assignment of formats to tensors of smallest Σ relative squared error · gain within the budget: exact. Without gains the numbers
 * of weights take their place.
 * @param overheadBytes what the file holds besides tensor data; counts against a budget in bytes.
 * @throws QuantscopeError REQUEST naming the smallest possible budget when this one is too small.
 */
export function solveBudget(table: SensitivityTable, budget: Budget, overheadBytes = 0): Assignment {
  const rows = assignable(table);
  if (rows.length === 0)
    throw new QuantscopeError('REQUEST', 'Nothing was measured yet: run the sensitivity analysis first.');
  const fixedBytes = table.fixedBytes + unassignedBytes(table, rows);
  const available =
    budget.kind === 'bytes'
      ? budget.value - overheadBytes - fixedBytes
      : // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
        (budget.value * weightsOf(rows)) / 8 + 0.5;
  const hasGains = rows.every(({ gain }) => gain !== undefined);
  const factor = ({ gain, weights }: SensitivityRow): number => (hasGains ? gain! : weights);
  const classes = rows.map((row) =>
    row.cells.map((cell) => ({ bytes: cell.bytes, cost: cell.relativeSquaredError * factor(row) })),
  );
  const solved = solveKnapsack(classes, Math.floor(available));
  if (!solved) throw tooSmall({ ...table, rows, fixedBytes }, budget, overheadBytes);
  const assignments = rows.map((row, i) => assignmentOf(row, solved.chosen[i]!));
  const weights = weightsOf(rows);
  return {
    assignments,
    bytes: fixedBytes + solved.bytes,
    bitsPerWeight: (8 * solved.bytes) / weights,
    error: sumOf(assignments, (item, i) => item.relativeSquaredError * rows[i]!.weights) / weights,
    ...(hasGains ? { divergence: solved.cost } : {}),
    optimal: solved.optimal,
    gap: solved.gap,
  };
}

const sumOf = <T>(items: readonly T[], value: (item: T, index: number) => number): number =>
  items.reduce((sum, item, index) => sum + value(item, index), 0);

/** Budgets that change anything: from every tensor at its smallest to every tensor at its largest, in bits per weight. */
export function budgetRange(table: SensitivityTable): { min: number; max: number } {
  const rows = assignable(table);
  const total = (pick: (...values: number[]) => number): number =>
    rows.reduce((sum, row) => sum + pick(...row.cells.map((cell) => cell.bytes)), 0);
  const weights = weightsOf(rows);
  return { min: (8 * total(Math.min)) / weights, max: (8 * total(Math.max)) / weights };
}

/** Rows with a choice. A cell without a finite error (a tensor with NaN or infinite weights) is none. */
function assignable(table: SensitivityTable): SensitivityRow[] {
  return table.rows
    .map((row) => ({ ...row, cells: row.cells.filter((cell) => Number.isFinite(cell.relativeSquaredError)) }))
    .filter((row) => row.cells.length > 0);
}

/** Matrices that no plan lists are exported as F16: two bytes per weight. */
function unassignedBytes(table: SensitivityTable, rows: readonly SensitivityRow[]): number {
  return 2 * (weightsOf(table.rows) - weightsOf(rows));
}

function weightsOf(rows: readonly SensitivityRow[]): number {
  return rows.reduce((sum, row) => sum + row.weights, 0);
}

function tooSmall(table: SensitivityTable, budget: Budget, overheadBytes: number): QuantscopeError {
  const least = table.rows.reduce(
    (sum, row) => sum + Math.min(...row.cells.map((cell) => cell.bytes)),
    table.fixedBytes,
  );
  const smallest =
    budget.kind === 'bytes'
      ? `${least + overheadBytes} bytes`
      : `${budgetRange(table).min.toFixed(4)} bits per weight`;
  return new QuantscopeError(
    'REQUEST',
    `The budget is too small: with the measured formats the model takes at least ${smallest}.`,
  );
}

function assignmentOf(row: SensitivityRow, chosen: number): PlanAssignment {
  const { format, bitsPerWeight, bytes, relativeSquaredError } = row.cells[chosen]!;
  return { tensor: row.tensor, format, bitsPerWeight, bytes, relativeSquaredError };
}
