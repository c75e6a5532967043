import { QuantscopeError } from '../model/errors';
import {
  budgetRange,
  choicesOf,
  fileBytesOf,
  padded,
  type Budget,
  type FileFrame,
  type Plan,
  type PlanAssignment,
  type PlanChoice,
  type PlanPreset,
  type SensitivityRow,
  type SensitivityTable,
} from '../protocol/plan';
import { knapsackSolver, type Effort, type KnapsackSolver } from './knapsack';
import { leastOf } from '../protocol/extremes';
import { keptNotes, tableNotes } from '../protocol/tableNotes';
import { size } from '../protocol/words';
import { totalOf } from './totals';

export interface Assignment {
  readonly assignments: readonly PlanAssignment[];
  /** As a plan states it; all figures are known. */
  readonly total: Plan['total'];
  /** The best preset within the budget. */
  readonly preset?: PlanPreset;
  /** Presets within the budget that could not be compared without an importance matrix, the largest first. */
  readonly notCompared: readonly string[];
  /** False when the exact search was cut short; `gap` bounds the relative distance to the optimum. */
  readonly optimal: boolean;
  readonly gap: number;
}

/** A frame that a budget in bytes counts, whether or not it is that of a real file. */
export interface CountedFrame extends FileFrame {
  /** A safe estimate: such a frame is not stated as the size of a file. */
  readonly isEstimate?: boolean;
}

/** Header of an exported file, bytes; a safe estimate. */
const usualHeader = 2 * 1024 * 1024;

/** The frame to count where the real one is unknown. */
export const estimatedFrame = ({ fixedBytes }: SensitivityTable): CountedFrame => ({
  bytes: fixedBytes + usualHeader,
  alignment: 1,
  isEstimate: true,
});

/** The frame of a budget for tensor data alone. */
const dataOnly = ({ fixedBytes }: SensitivityTable): CountedFrame => ({
  bytes: fixedBytes,
  alignment: 1,
  isEstimate: true,
});

/** A table prepared for any budget. */
interface Prepared {
  readonly rows: readonly SensitivityRow[];
  /** Their total number of weights. */
  readonly weights: number;
  /** Cost of a unit of relative squared error in each row. */
  readonly factors: readonly number[];
  /** The solver that counts each tensor with its padding to an alignment. */
  readonly solverFor: (alignment: number) => KnapsackSolver;
  /** What each row becomes with each of its choices. */
  readonly assignments: readonly (readonly PlanAssignment[])[];
  readonly presets: readonly MeasuredPreset[];
}

/** A preset whose types were all measured. */
interface MeasuredPreset {
  readonly fileType: string;
  readonly assignments: readonly PlanAssignment[];
  readonly cost: number;
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

function prepare({ rows, presets }: SensitivityTable): Prepared {
  const choices = rows.map(choicesOf);
  // A tensor that can only be written without loss needs no gain.
  const hasGains = rows.every(
    ({ gain }, i) =>
      gain !== undefined || choices[i]!.every(({ relativeSquaredError }) => relativeSquaredError === 0),
  );
  const factors = rows.map((row) => (hasGains ? (row.gain ?? 0) : row.weights * row.roleFactor));
  const assignments = choices.map((options, i) => options.map((choice) => assignmentOf(rows[i]!, choice)));
  return {
    ...{ rows, weights: sumOf(rows, (row) => row.weights), factors, assignments },
    solverFor: solversOf(choices, factors),
    presets: presets.flatMap(({ fileType, formats }) => {
      const chosen = assignments.flatMap(
        (options, i) => options.find(({ format }) => format === formats[i]) ?? [],
      );
      if (chosen.length < rows.length) return [];
      const cost = sumOf(chosen, (item, i) => item.relativeSquaredError! * factors[i]!);
      return [{ fileType, assignments: chosen, cost }];
    }),
  };
}

function solversOf(
  choices: readonly (readonly PlanChoice[])[],
  factors: readonly number[],
): Prepared['solverFor'] {
  const solvers = new Map<number, KnapsackSolver>();
  return (alignment) => {
    const known = solvers.get(alignment);
    if (known) return known;
    const solver = knapsackSolver(
      choices.map((options, i) =>
        options.map(({ bytes, relativeSquaredError }) => ({
          bytes: padded(bytes, alignment),
          cost: relativeSquaredError * factors[i]!,
        })),
      ),
    );
    solvers.set(alignment, solver);
    return solver;
  };
}

/**
 * The assignment of formats to tensors of smallest Σ relative squared error · gain within the budget: exact. Without gains the numbers
 * of weights times the factors of roles take their place. Never worse by that measure than a preset within the budget.
 * @param frame what the file holds besides the tensors of the table; counts against a budget in bytes. Without one a budget in bytes is
 * one of tensor data.
 * @param effort `quick` may miss the optimum, by `gap` at most.
 * @throws QuantscopeError REQUEST naming the smallest possible budget when this one is too small, and the tensors that only fit
 * without loss.
 */
export function solveBudget(
  table: SensitivityTable,
  budget: Budget,
  frame: CountedFrame = dataOnly(table),
  effort: Effort = 'exact',
): Assignment {
  if (table.rows.length === 0)
    throw new QuantscopeError(
      'REQUEST',
      ['The model has no tensors that a plan can choose a format for.', ...tableNotes(table)].join(' '),
    );
  if (!table.rows.some(({ cells }) => cells.length > 0))
    throw new QuantscopeError(
      'REQUEST',
      'Nothing has been measured yet: run the sensitivity analysis first.',
    );
  const { rows, weights, solverFor, assignments: options, presets } = prepared(table);
  const alignment = alignmentOf(budget, frame);
  const available = Math.floor(
    budget.kind === 'bytes'
      ? budget.value - frame.bytes
      : // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
        (budget.value * weights) / 8 + 0.5,
  );
  const solved = solverFor(alignment)(available, effort);
  if (!solved) throw tooSmall(table, budget, frame);
  const [preset] = presets
    .filter(({ assignments }) => sumOf(assignments, ({ bytes }) => padded(bytes, alignment)) <= available)
    .sort((a, b) => a.cost - b.cost);
  // A search that was cut short may have missed what the preset shows to be possible.
  const assignments =
    preset && preset.cost < solved.cost
      ? preset.assignments
      : options.map((cells, row) => cells[solved.chosen[row]!]!);
  const { optimal, gap } = solved;
  const notCompared = (table.unmeasuredPresets ?? [])
    .filter(({ bytes }) => bytes <= available)
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ fileType }) => fileType);
  const totals = (items: readonly PlanAssignment[]): Plan['total'] => ({
    ...totalOf(items, rows, table.fixedBytes),
    ...(frame.isEstimate ? {} : { fileBytes: fileBytesOf(frame, bytesIn(items)) }),
  });
  return {
    ...{ assignments, total: totals(assignments), optimal, gap, notCompared },
    ...(preset ? { preset: presetOf(preset.fileType, totals(preset.assignments)) } : {}),
  };
}

const bytesIn = (items: readonly PlanAssignment[]): number[] => items.map(({ bytes }) => bytes);

/** What the bytes of tensors are rounded up to under a budget: bits per weight are those of data without padding. */
const alignmentOf = ({ kind }: Budget, frame: Pick<FileFrame, 'alignment'> | undefined): number =>
  kind === 'bytes' ? (frame?.alignment ?? 1) : 1;

/** Sums of the same costs in another order differ by less than this, relatively. */
const rounding = 1e-9;

/** Whether no plan of the size of this one is better by the measure of `solveBudget`: false for one that was edited by hand. */
export function isOptimal(
  table: SensitivityTable,
  { assignments, budget, frame }: Pick<Plan, 'assignments' | 'budget' | 'frame'>,
): boolean {
  const { rows, factors, solverFor, assignments: options } = prepared(table);
  const alignment = alignmentOf(budget, frame);
  if (assignments.length !== rows.length) return false;
  const byTensor = new Map(assignments.map(({ tensor, format }) => [tensor, format]));
  let [bytes, cost] = [0, 0];
  for (const [row, cells] of options.entries()) {
    const format = byTensor.get(rows[row]!.tensor);
    const chosen = cells.find((cell) => cell.format === format);
    if (!chosen) return false;
    bytes += padded(chosen.bytes, alignment);
    cost += chosen.relativeSquaredError! * factors[row]!;
  }
  const best = solverFor(alignment)(bytes);
  return best !== undefined && cost <= best.cost * (1 + rounding);
}

function presetOf(fileType: string, { bytes, fileBytes, roleError, divergence }: Plan['total']): PlanPreset {
  return {
    ...{ fileType, bytes },
    ...(fileBytes === undefined ? {} : { fileBytes }),
    roleError: roleError!,
    ...(divergence === undefined ? {} : { divergence }),
  };
}

const sumOf = <T>(items: readonly T[], value: (item: T, index: number) => number): number =>
  items.reduce((sum, item, index) => sum + value(item, index), 0);

/** Whether the measured formats reach down to a budget; formats cannot help a model without tensors to choose them for. */
export function isWithin(table: SensitivityTable, budget: Budget, frame = dataOnly(table)): boolean {
  if (table.rows.length === 0) return true;
  if (budget.kind === 'bits-per-weight') return budgetRange(table).min <= budget.value;
  return leastBytes(table, frame) <= budget.value;
}

/** The file with every tensor at its smallest. */
const leastBytes = ({ rows }: SensitivityTable, frame: FileFrame): number =>
  fileBytesOf(
    frame,
    rows.map((row) => leastOf(choicesOf(row).map(({ bytes }) => bytes))),
  );

/** Readable, and exactly, to be given as a budget. */
const leastText = (bytes: number): string => `${size(bytes)} (${bytes}B)`;

function tooSmall(table: SensitivityTable, budget: Budget, frame: FileFrame): QuantscopeError {
  const smallest =
    budget.kind === 'bytes'
      ? leastText(leastBytes(table, frame))
      : `${budgetRange(table).min.toFixed(4)} bits per weight`;
  return new QuantscopeError(
    'REQUEST',
    [
      `The budget is too small: with the measured formats the model takes at least ${smallest}.`,
      ...keptNotes(table),
    ].join(' '),
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
