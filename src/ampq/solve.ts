import { QuantscopeError } from '../model/errors';
import type {
  Budget,
  PlanAssignment,
  SensitivityCell,
  SensitivityRow,
  SensitivityTable,
} from '../protocol/plan';
import { knapsackSolver, type KnapsackSolver } from './knapsack';

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
  /** Rows with a choice: cells with a finite error. */
  readonly rows: readonly SensitivityRow[];
  /** Their weights in all. */
  readonly weights: number;
  /** Bytes of everything that has no choice. */
  readonly fixedBytes: number;
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

function prepare(table: SensitivityTable): Prepared {
  const rows = assignable(table);
  const weights = weightsOf(rows);
  const hasGains = rows.every(({ gain }) => gain !== undefined);
  const factor = (row: SensitivityRow): number => (hasGains ? row.gain! : row.weights);
  return {
    ...{ rows, weights, hasGains },
    // Matrices that no plan lists are exported as F16: two bytes per weight.
    fixedBytes: table.fixedBytes + 2 * (weightsOf(table.rows) - weights),
    solver: knapsackSolver(
      rows.map((row) =>
        row.cells.map(({ bytes, relativeSquaredError }) => ({
          bytes,
          cost: relativeSquaredError * factor(row),
        })),
      ),
    ),
    assignments: rows.map((row) => row.cells.map((cell) => assignmentOf(row, cell))),
  };
}

/**
 * The assignment of formats to tensors of smallest Σ relative squared error · gain within the budget: exact. Without gains the numbers
 * of weights take their place.
 * @param overheadBytes what the file holds besides tensor data; counts against a budget in bytes.
 * @throws QuantscopeError REQUEST naming the smallest possible budget when this one is too small.
 */
export function solveBudget(table: SensitivityTable, budget: Budget, overheadBytes = 0): Assignment {
  const { rows, weights, fixedBytes, hasGains, solver, assignments: options } = prepared(table);
  if (rows.length === 0)
    throw new QuantscopeError('REQUEST', 'Nothing was measured yet: run the sensitivity analysis first.');
  const available =
    budget.kind === 'bytes'
      ? budget.value - overheadBytes - fixedBytes
      : // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
        (budget.value * weights) / 8 + 0.5;
  const solved = solver(Math.floor(available));
  if (!solved) throw tooSmall({ ...table, rows, fixedBytes }, budget, overheadBytes);
  const assignments = options.map((cells, row) => cells[solved.chosen[row]!]!);
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
  const { rows, weights } = prepared(table);
  const total = (pick: (...values: number[]) => number): number =>
    rows.reduce((sum, row) => sum + pick(...row.cells.map((cell) => cell.bytes)), 0);
  return { min: (8 * total(Math.min)) / weights, max: (8 * total(Math.max)) / weights };
}

/** Rows with a choice. A cell without a finite error (a tensor with NaN or infinite weights) is none. */
function assignable(table: SensitivityTable): SensitivityRow[] {
  return table.rows
    .map((row) => ({ ...row, cells: row.cells.filter((cell) => Number.isFinite(cell.relativeSquaredError)) }))
    .filter((row) => row.cells.length > 0);
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

function assignmentOf({ tensor }: SensitivityRow, cell: SensitivityCell): PlanAssignment {
  const { format, bitsPerWeight, bytes, relativeSquaredError } = cell;
  return { tensor, format, bitsPerWeight, bytes, relativeSquaredError };
}
