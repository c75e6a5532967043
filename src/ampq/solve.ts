import { QuantscopeError } from '../model/errors';
import { fileBytesOf, padded, type FileFrame } from '../protocol/fileFrame';
import {
  choicesOf,
  type Budget,
  type Plan,
  type PlanAssignment,
  type PlanChoice,
  type PlanConstraint,
  type PlanPreset,
  type SensitivityTable,
} from '../protocol/plan';
import { leastOf } from '../protocol/extremes';
import { keptNotes, tableNotes } from '../protocol/tableNotes';
import { size } from '../protocol/words';
import { said, sentences } from '../protocol/said';
import { constraintText, meetsAll } from './constraints';
import type { Effort, KnapsackSolution } from './knapsack';
import { assignmentsOf, paddedSum, prepareTable, sumOf, type PreparedTable } from './preparedTable';
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

export interface SolveOptions {
  /** `quick` may miss the optimum, by `gap` at most. */
  readonly effort?: Effort;
  readonly constraints?: readonly PlanConstraint[];
}

/**
 * The assignment of formats to tensors of smallest Σ relative squared error · gain within the budget: exact. Without gains the numbers
 * of weights times the factors of roles take their place. Never worse by that measure than a preset within the budget.
 * @param frame what the file holds besides the tensors of the table; counts against a budget in bytes. Without one a budget in bytes is
 * one of tensor data.
 * @throws QuantscopeError REQUEST naming the smallest possible budget when this one is too small, the tensors that only fit without loss
 * and the constraints in the way; or as `classesOf`.
 */
export function solveBudget(
  table: SensitivityTable,
  budget: Budget,
  frame: CountedFrame = dataOnly(table),
  { effort = 'exact', constraints = [] }: SolveOptions = {},
): Assignment {
  if (table.rows.length === 0)
    throw new QuantscopeError(
      'REQUEST',
      sentences([said`The model has no tensors that a plan can choose a format for.`, ...tableNotes(table)]),
    );
  if (!table.rows.some(({ cells }) => cells.length > 0))
    throw new QuantscopeError(
      'REQUEST',
      said`Nothing has been measured yet: run the sensitivity analysis first.`,
    );
  const prepared = prepareTable(table, constraints);
  const { weights, solverFor } = prepared;
  const alignment = alignmentOf(budget, frame);
  const available = Math.floor(
    budget.kind === 'bytes'
      ? budget.value - frame.bytes
      : // A budget that is exactly a mix's bits per weight must not fail by the rounding of its decimal digits.
        (budget.value * weights) / 8 + 0.5,
  );
  const solved = solverFor(alignment)(available, effort);
  if (!solved) throw tooSmall(table, budget, frame, constraints);
  const fits = (sizes: Float64Array): boolean => paddedSum(sizes, alignment) <= available;
  return assignmentFrom(table, prepared, { ...solved, fits, available, frame });
}

/** What a search has found, and what it was for. */
interface Found extends Pick<KnapsackSolution, 'chosen' | 'cost' | 'optimal' | 'gap'> {
  /** Whether rows of these sizes keep to the budget. */
  readonly fits: (sizes: Float64Array) => boolean;
  /** Bytes of the tensors that a format is chosen for. */
  readonly available: number;
  readonly frame: CountedFrame;
}

/** The assignment of what was found, with the best preset that keeps to the same budget; a preset itself where it is better and meets the constraints. */
export function assignmentFrom(
  table: SensitivityTable,
  prepared: PreparedTable,
  { chosen, cost, optimal, gap, fits, available, frame }: Found,
): Assignment {
  const fitting = prepared.presets.filter(({ bytes }) => fits(bytes)).sort((a, b) => a.cost - b.cost);
  const [preset] = fitting;
  // A search that was cut short may have missed what a preset shows to be possible.
  const better = fitting.find((item) => item.cost < cost && item.isAllowed());
  const assignments = assignmentsOf(prepared, better?.places ?? placesIn(prepared, chosen));
  const notCompared = (table.unmeasuredPresets ?? [])
    .filter(({ bytes }) => bytes <= available)
    .sort((a, b) => b.bytes - a.bytes)
    .map(({ fileType }) => fileType);
  const inFile = (total: Plan['total'], sizes: readonly number[]): Plan['total'] =>
    frame.isEstimate ? total : { ...total, fileBytes: fileBytesOf(frame, sizes) };
  const total = inFile(
    totalOf(assignments, prepared.rows, table.fixedBytes),
    assignments.map(({ bytes }) => bytes),
  );
  return {
    ...{ assignments, total, optimal, gap, notCompared },
    ...(preset ? { preset: presetOf(preset.fileType, inFile(preset.total(), [...preset.bytes])) } : {}),
  };
}

/** Of each row the place of the choice that is part of the option that a solver chose for its class. */
function placesIn({ classes, choices }: PreparedTable, chosen: Int32Array): Int32Array {
  const found = new Int32Array(choices.length);
  for (const [at, { rows, options }] of classes.entries())
    for (const [i, place] of options[chosen[at]!]!.entries()) found[rows[i]!] = place;
  return found;
}

/** What the bytes of tensors are rounded up to under a budget: bits per weight are those of data without padding. */
const alignmentOf = (
  { kind }: Pick<Budget, 'kind'>,
  frame: Pick<FileFrame, 'alignment'> | undefined,
): number => (kind === 'bytes' ? (frame?.alignment ?? 1) : 1);

/** Sums of the same costs in another order differ by less than this, relatively. */
const rounding = 1e-9;

/**
 * Whether no plan of the size of this one that meets its constraints is better by the measure of `solveBudget`: false for one that was
 * edited by hand.
 */
export function isOptimal(
  table: SensitivityTable,
  plan: Pick<Plan, 'assignments' | 'budget' | 'frame' | 'constraints'>,
): boolean {
  const { budget, frame, constraints = [] } = plan;
  const chosen = measuredChoices(table, plan);
  if (!chosen || !meetsAll(table.rows, chosen, constraints)) return false;
  const { factors, solverFor } = prepareTable(table, constraints);
  const alignment = alignmentOf(budget, frame);
  const cost = sumOf(chosen, ({ relativeSquaredError }, row) => relativeSquaredError * factors[row]!);
  const best = solverFor(alignment)(sumOf(chosen, ({ bytes }) => padded(bytes, alignment)));
  return best !== undefined && cost <= best.cost * (1 + rounding);
}

/** The choices that a plan makes for the rows of a table; undefined where it is about other tensors, or formats that were not measured. */
function measuredChoices(
  { rows }: SensitivityTable,
  { assignments }: Pick<Plan, 'assignments'>,
): readonly PlanChoice[] | undefined {
  if (assignments.length !== rows.length) return undefined;
  const formats = new Map(assignments.map(({ tensor, format }) => [tensor, format]));
  const chosen = rows.flatMap(
    (row) => choicesOf(row).find(({ format }) => format === formats.get(row.tensor)) ?? [],
  );
  return chosen.length === rows.length ? chosen : undefined;
}

function presetOf(fileType: string, { bytes, fileBytes, roleError, divergence }: Plan['total']): PlanPreset {
  return {
    ...{ fileType, bytes },
    ...(fileBytes === undefined ? {} : { fileBytes }),
    roleError: roleError!,
    ...(divergence === undefined ? {} : { divergence }),
  };
}

/** Whether the measured formats reach down to a budget; formats cannot help a model without tensors to choose them for. */
export function isWithin(
  table: SensitivityTable,
  budget: Budget,
  frame = dataOnly(table),
  constraints: readonly PlanConstraint[] = [],
): boolean {
  return table.rows.length === 0 || leastOfBudget(table, budget, frame, constraints) <= budget.value;
}

/** The smallest budget of a kind that can be kept: bytes of the file, or bits per weight. */
function leastOfBudget(
  table: SensitivityTable,
  budget: Pick<Budget, 'kind'>,
  frame: FileFrame,
  constraints: readonly PlanConstraint[],
): number {
  const { classes, choices, weights } = prepareTable(table, constraints);
  const alignment = alignmentOf(budget, frame);
  const least = sumOf(classes, ({ rows, options }) =>
    leastOf(
      options.map((places) =>
        sumOf(places, (place, i) => padded(choices[rows[i]!]![place]!.bytes, alignment)),
      ),
    ),
  );
  return budget.kind === 'bytes' ? frame.bytes + least : (8 * least) / weights;
}

/** Bytes of the smallest file of a plan that meets the constraints. @throws QuantscopeError as `classesOf`. */
export const leastFile = (
  table: SensitivityTable,
  frame: FileFrame,
  constraints: readonly PlanConstraint[],
): number => leastOfBudget(table, { kind: 'bytes' }, frame, constraints);

/** The fewest bits per weight of a plan that meets the constraints. @throws QuantscopeError as `classesOf`. */
export const leastBits = (table: SensitivityTable, constraints: readonly PlanConstraint[]): number =>
  leastOfBudget(table, { kind: 'bits-per-weight' }, dataOnly(table), constraints);

/** Readable, and exactly, to be given as a budget. */
const leastText = (bytes: number): string => `${size(bytes)} (${bytes}B)`;

function tooSmall(
  table: SensitivityTable,
  budget: Budget,
  frame: FileFrame,
  constraints: readonly PlanConstraint[],
): QuantscopeError {
  const leastWith = (kept: readonly PlanConstraint[]): number => leastOfBudget(table, budget, frame, kept);
  const text = (least: number): string =>
    budget.kind === 'bytes' ? leastText(least) : said`${least.toFixed(4)} bits per weight`;
  const smallest = text(leastWith(constraints));
  const inTheWay = constraints.flatMap((constraint) => {
    const without = text(leastWith(constraints.filter((other) => other !== constraint)));
    return without === smallest
      ? []
      : [said`Without ${constraintText(constraint)} it takes at least ${without}.`];
  });
  return new QuantscopeError(
    'REQUEST',
    sentences([
      constraints.length > 0
        ? said`The budget is too small: with the measured formats and the constraints the model takes at least ${smallest}.`
        : said`The budget is too small: with the measured formats the model takes at least ${smallest}.`,
      ...inTheWay,
      ...keptNotes(table),
    ]),
  );
}
