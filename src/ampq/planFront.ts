import { QuantscopeError } from '../model/errors';
import { choicesOf, rowOf, type Plan, type PlanConstraint, type SensitivityTable } from '../protocol/plan';
import type { FormatOption, FormatReasons, FrontPoint, PlanFront, PlanMeasure } from '../protocol/planFront';
import { fewBits, tableFor } from '../protocol/fewBits';
import { errorRung, rowRung, type Rung } from '../protocol/rungs';
import { said } from '../protocol/said';
import { isReleasable } from './constraintEdits';
import { constraintText, matchesOf, meets } from './constraints';
import { priceAt } from './knapsackFront';
import { totalOf } from './totals';
import { assignmentsOf, paddedSum, prepareTable, sumOf, type PreparedTable } from './preparedTable';

/** Most points of a front that is drawn; fronts of large models have hundreds of thousands of corners. */
const maxPoints = 400;

/**
 * The best plans of all sizes, and the presets.
 * @throws QuantscopeError as `classesOf`.
 */
export function planFront(table: SensitivityTable, constraints: readonly PlanConstraint[]): PlanFront {
  const usual = frontOf(table, constraints);
  const better = tableFor(table, 0);
  if (better === table) return usual;
  const few = frontOf(better, constraints);
  const isFew = ({ bitsPerWeight }: FrontPoint): boolean => bitsPerWeight < fewBits;
  return {
    ...usual,
    points: [...few.points.filter(isFew), ...usual.points.filter((point) => !isFew(point))],
    presets: usual.presets.map((preset, i) => (isFew(preset) ? few.presets[i]! : preset)),
  };
}

/** The same by the gains of the table alone. */
function frontOf(table: SensitivityTable, constraints: readonly PlanConstraint[]): PlanFront {
  const prepared = prepareTable(table, constraints);
  const { bytes, cost } = prepared.front();
  const point = pointsOf(table, prepared);
  const matching = matchesOf(table.rows, constraints);
  return {
    measure: measureOf(prepared),
    points: sampled(bytes.length, maxPoints).map((at) => point(bytes[at]!, cost[at]!)),
    presets: prepared.presets.map(({ fileType, bytes: sizes, cost: its }) => ({
      fileType,
      ...point(paddedSum(sizes, 1), its),
    })),
    constrained: [...matching.keys()].filter((row) => matching[row]!.length > 0),
    pinned: prepared.classes
      .filter(({ options }) => options.length === 1)
      .flatMap(({ rows }) => rows)
      .filter((row) => matching[row]!.length > 0)
      .sort((a, b) => a - b),
  };
}

/**
 * The types that a preset gives the tensors of a table, as a plan states them.
 * @throws QuantscopeError REQUEST for one whose types were not all measured.
 */
export function presetPlan(table: SensitivityTable, fileType: string): Pick<Plan, 'assignments' | 'total'> {
  const prepared = prepareTable(table, []);
  const { presets, rows } = prepared;
  const preset = presets.find((item) => item.fileType === fileType);
  if (!preset) throw new QuantscopeError('REQUEST', said`Not all types of ${fileType} were measured.`);
  const assignments = assignmentsOf(prepared, preset.places);
  return { assignments, total: totalOf(assignments, rows, table.fixedBytes) };
}

/** The fewest and the most bits per weight of useful plans. @throws QuantscopeError as `classesOf`. */
export function frontRange(
  table: SensitivityTable,
  constraints: readonly PlanConstraint[],
): { min: number; max: number } {
  const { front, weights } = prepareTable(table, constraints);
  const { bytes } = front();
  return { min: (8 * bytes[0]!) / weights, max: (8 * bytes.at(-1)!) / weights };
}

const measureOf = ({ hasGains }: PreparedTable): PlanMeasure => (hasGains ? 'divergence' : 'roleError');

/** What costs of a solver are divided by to be losses. */
const costsPerLoss = ({ rows, hasGains }: PreparedTable): number =>
  hasGains ? 1 : sumOf(rows, ({ weights, roleFactor }) => weights * roleFactor);

function pointsOf(
  { fixedBytes }: SensitivityTable,
  prepared: PreparedTable,
): (bytes: number, cost: number) => FrontPoint {
  const divisor = costsPerLoss(prepared);
  return (bytes, cost) => ({
    bytes: bytes + fixedBytes,
    bitsPerWeight: (8 * bytes) / prepared.weights,
    loss: cost / divisor,
  });
}

/** Places spread evenly over a list, its ends among them. */
function sampled(length: number, most: number): number[] {
  const count = Math.min(length, most);
  return Array.from({ length: count }, (_, i) =>
    count === 1 ? 0 : Math.round((i * (length - 1)) / (count - 1)),
  );
}

/**
 * What speaks for the format that a plan gives a tensor: all others with what they would cost.
 * @throws QuantscopeError REQUEST for a tensor that the table lacks; or as `classesOf`.
 */
export function formatReasons(table: SensitivityTable, plan: Plan, tensor: string): FormatReasons {
  const row = rowOf(table, tensor);
  const assignment = plan.assignments.find((item) => item.tensor === row?.tensor);
  if (!row || !assignment)
    throw new QuantscopeError('REQUEST', said`No format can be chosen for this tensor.`, { tensor });
  const { constraints = [] } = plan;
  const prepared = prepareTable(table, constraints);
  const place = prepared.rows.indexOf(row);
  const members = prepared.classes.find(({ rows }) => rows.includes(place))!.rows;
  const applied = new Set(
    members.flatMap((member) => matchesOf([prepared.rows[member]!], constraints).flat()),
  );
  const divisor = costsPerLoss(prepared);
  const price =
    priceAt(
      prepared.front(),
      sumOf(plan.assignments, ({ bytes }) => bytes),
    ) / divisor;
  const known = optionsOf(prepared, members, [...applied], divisor);
  const chosen = known.find(({ format }) => format === assignment.format);
  const worth = ({ loss, bytes }: Omit<FormatOption, 'cost'>): number => loss + price * bytes;
  const options = known.map((option) => ({
    ...option,
    ...(chosen ? { cost: worth(option) - worth(chosen) } : {}),
  }));
  const [runnerUp] = options
    .filter(({ format, ruledOutBy }) => format !== assignment.format && ruledOutBy.length === 0)
    .sort((a, b) => worth(a) - worth(b));
  return {
    ...{ tensor: row.tensor, together: members.map((member) => prepared.rows[member]!.tensor) },
    ...{ format: assignment.format, measure: measureOf(prepared), price, options },
    rung: lossRung(table, prepared, members),
    ...(runnerUp ? { runnerUp: runnerUp.format } : {}),
    isReleasable: isReleasable(table, constraints, [row.tensor]),
  };
}

/** What the losses of some rows rest on: gains only where those of all were measured. */
function lossRung(
  table: SensitivityTable,
  { rows, hasGains }: PreparedTable,
  members: readonly number[],
): Rung {
  const isMeasured = hasGains && members.every((member) => rowRung(table, rows[member]!) === 'gains');
  return isMeasured ? 'gains' : errorRung(table);
}

/** The formats that all members were measured in, with sums over the members. */
function optionsOf(
  { rows, factors }: PreparedTable,
  members: readonly number[],
  applied: readonly PlanConstraint[],
  divisor: number,
): Omit<FormatOption, 'cost'>[] {
  const choices = members.map((member) => choicesOf(rows[member]!));
  const weights = sumOf(members, (member) => rows[member]!.weights);
  const options = choices[0]!.flatMap(({ format }) => {
    const same = choices.flatMap((own) => own.find((choice) => choice.format === format) ?? []);
    if (same.length < members.length) return [];
    const bytes = sumOf(same, (choice) => choice.bytes);
    return {
      ...{ format, bytes, bitsPerWeight: (8 * bytes) / weights },
      relativeSquaredError:
        sumOf(same, (choice, i) => choice.relativeSquaredError * rows[members[i]!]!.weights) / weights,
      loss: sumOf(same, (choice, i) => choice.relativeSquaredError * factors[members[i]!]!) / divisor,
      ruledOutBy: applied
        .filter((constraint) => !same.every((choice) => meets(choice, constraint)))
        .map(constraintText),
    };
  });
  return options.sort((a, b) => a.bytes - b.bytes);
}
