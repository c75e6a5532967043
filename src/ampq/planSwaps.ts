import { ggmlType } from '../model/dtypes';
import { QuantscopeError } from '../model/errors';
import type { FormatChange } from '../protocol/certificate';
import { padded } from '../protocol/fileFrame';
import {
  choicesOf,
  type Plan,
  type PlanAssignment,
  type PlanChoice,
  type SensitivityRow,
  type SensitivityTable,
} from '../protocol/plan';
import { withoutGain } from '../protocol/fewBits';
import { said } from '../protocol/said';
import { priceAt } from './knapsackFront';
import { prepareTable, sumOf, type PreparedTable } from './preparedTable';
import { isWithin, solveBudget } from './solve';

/** KL divergences of a plan over a text, nats per token. */
export interface PlanInfluences {
  /** With all tensors as planned. */
  readonly together: number;
  /** With all tensors but this one as planned, and this one as the model has it. */
  readonly without: ReadonlyMap<string, number>;
}

/** Gains around a plan differ from those of single tensors by at most this factor: what is beyond it is noise of small shares. */
const farthest = 4;

/** Share of the plan's predicted divergence that a swap has to save to be worth a measurement. */
const leastSaving = 1e-3;

/** Moves that are combined into pairs: of those to more bytes and of the others, the ones of the lowest price. */
const mostMoves = 64;

/**
 * The table with gains around a plan: what a unit of a tensor's error adds to the divergence where all others are as planned. Rows without
 * an error in their format keep their gain.
 */
export function gainsAround(
  table: SensitivityTable,
  plan: Pick<Plan, 'assignments'>,
  { together, without }: PlanInfluences,
): SensitivityTable {
  const planned = new Map(plan.assignments.map((item) => [item.tensor, item]));
  const rows = table.rows.map((row) => {
    const divergence = without.get(row.tensor);
    const item = planned.get(row.tensor);
    const error = item && errorOf(row, item);
    if (divergence === undefined || error === undefined || !(error > 0)) return row;
    const found = Math.max(0, (together - divergence) / error);
    const { gain } = row;
    const within = gain === undefined ? found : Math.min(Math.max(found, gain / farthest), gain * farthest);
    return { ...row, gain: within };
  });
  return { ...table, rows };
}

/** The error of a tensor as planned, by the table where its format was changed by hand; undefined where that lacks it. */
const errorOf = (row: SensitivityRow, { format, relativeSquaredError }: PlanAssignment): number | undefined =>
  relativeSquaredError ?? choicesOf(row).find((choice) => choice.format === format)?.relativeSquaredError;

/**
 * The table that swaps of a plan are proposed from: its tensors in its order, with the gains that it states, and errors in its formats.
 * @param table with all tensors of the plan.
 * @throws QuantscopeError REQUEST where it lacks the error of a tensor in its planned format.
 */
export function tableOfPlan(table: SensitivityTable, plan: Plan): SensitivityTable {
  const byName = new Map(table.rows.map((row) => [row.tensor, row]));
  const isAllowed = allowedBy(plan);
  const rows = plan.assignments.map(({ tensor, format, gain }): SensitivityRow => {
    const row = withoutGain(byName.get(tensor)!);
    const own = {
      ...row,
      cells: row.cells.filter((cell) => cell.format === format || isAllowed(cell.format)),
    };
    if (choicesOf(own).some((choice) => choice.format === format))
      return { ...own, ...(gain === undefined ? {} : { gain }) };
    const message = said`Swaps are proposed from the errors that the plan was made from, and that of this tensor in ${format} is not kept: make the plan again, or leave out --improve.`;
    throw new QuantscopeError('REQUEST', message, { tensor });
  });
  return { ...table, rows, presets: [] };
}

/**
 * Formats that swaps may give tensors of a plan: those that it was made of. Where its file does not say, the types of GGUF if it has no others,
 * else those that it has, which its runtime loads.
 */
function allowedBy({
  formats,
  assignments,
}: Pick<Plan, 'formats' | 'assignments'>): (format: string) => boolean {
  if (formats) return (format) => formats.includes(format);
  const own = new Set(assignments.map(({ format }) => format));
  const isGguf = (format: string): boolean => ggmlType(format) !== undefined;
  return [...own].every(isGguf) ? isGguf : (format) => own.has(format);
}

/** The plan with some formats changed; undefined where a tensor no longer has the format that it is changed from. */
export function withChanges(
  table: SensitivityTable,
  plan: Plan,
  changes: readonly FormatChange[],
): Plan | undefined {
  const byTensor = new Map(changes.map((change) => [change.tensor, change]));
  const rows = new Map(table.rows.map((row) => [row.tensor, row]));
  let found = 0;
  const assignments = plan.assignments.map((item): PlanAssignment => {
    const change = byTensor.get(item.tensor);
    if (change?.from !== item.format) return item;
    found += 1;
    const row = rows.get(item.tensor)!;
    const { format, bytes, bitsPerWeight, relativeSquaredError } = choicesOf(row).find(
      (choice) => choice.format === change.to,
    )!;
    return { ...item, format, bytes, bitsPerWeight, relativeSquaredError };
  });
  return found === changes.length ? { ...plan, assignments } : undefined;
}

/**
 * Changes of a plan that are predicted to lower its divergence in at most its bytes, and meet its constraints: first those to the best plan of its
 * size, then single ones and pairs of other tensors each, the best first.
 * @param table of `tableOfPlan`, with gains around the plan. @param most proposals.
 */
export function proposeSwaps(
  table: SensitivityTable,
  plan: Plan,
  most: number,
): readonly (readonly FormatChange[])[] {
  const { constraints = [] } = plan;
  const { alignment = 1 } = plan.frame ?? {};
  const value = table.fixedBytes + sumOf(plan.assignments, ({ bytes }) => padded(bytes, alignment));
  const frame = { bytes: table.fixedBytes, alignment, isEstimate: true };
  const budget = { kind: 'bytes', value } as const;
  if (!isWithin(table, budget, frame, constraints)) return []; // changed by hand to less than the constraints allow
  const best = solveBudget(table, budget, frame, { constraints });
  const prepared = prepareTable(table, constraints);
  const costOf = ({ assignments }: Pick<Plan, 'assignments'>): number =>
    sumOf(assignments, (item, row) => (errorOf(table.rows[row]!, item) ?? 0) * prepared.factors[row]!);
  const least = leastSaving * costOf(plan);
  if (!(costOf(plan) - costOf(best) > least)) return [];
  const whole = differences(plan.assignments, best.assignments);
  const pairs = bestPairs(movesOf(prepared, plan, alignment), least).slice(0, most - 1);
  return [whole, ...pairs.filter((changes) => changes.length < whole.length)];
}

type TensorFormat = Pick<PlanAssignment, 'tensor' | 'format'>;

function differences(from: readonly TensorFormat[], to: readonly TensorFormat[]): FormatChange[] {
  const formats = new Map(to.map(({ tensor, format }) => [tensor, format]));
  return from.flatMap(({ tensor, format }) => {
    const other = formats.get(tensor);
    return other === undefined || other === format ? [] : [{ tensor, from: format, to: other }];
  });
}

/** A way to write a tensor. */
type PlannedChoice = PlanChoice & Pick<PlanAssignment, 'tensor'>;

/** Another format for tensors that are solved together. */
interface Move {
  /** Place of the class. */
  readonly at: number;
  readonly changes: readonly FormatChange[];
  /** Bytes and cost that it adds. */
  readonly bytes: number;
  readonly cost: number;
  /** Cost with that of its bytes. */
  readonly price: number;
}

function movesOf(prepared: PreparedTable, plan: Plan, alignment: number): Move[] {
  const { classes, choices, factors } = prepared;
  const formats = new Map(plan.assignments.map(({ tensor, format }) => [tensor, format]));
  const lambda = priceAt(
    prepared.front(),
    sumOf(plan.assignments, ({ bytes }) => bytes),
  );
  return classes.flatMap(({ rows, options }, at) => {
    const items = options.map((places) =>
      places.map((place, i) => ({ ...choices[rows[i]!]![place]!, tensor: prepared.rows[rows[i]!]!.tensor })),
    );
    const own = items.find((option) => option.every(({ tensor, format }) => formats.get(tensor) === format));
    if (!own) return []; // changed by hand to what the constraints rule out
    const bytesOf = (option: readonly PlannedChoice[]): number =>
      sumOf(option, ({ bytes }) => padded(bytes, alignment));
    const costOf = (option: readonly PlannedChoice[]): number =>
      sumOf(option, ({ relativeSquaredError }, i) => relativeSquaredError * factors[rows[i]!]!);
    return items.flatMap((option): Move[] => {
      if (option === own) return [];
      const [bytes, cost] = [bytesOf(option) - bytesOf(own), costOf(option) - costOf(own)];
      return [{ at, changes: differences(own, option), bytes, cost, price: cost + lambda * bytes }];
    });
  });
}

/** Single moves and pairs that add no bytes and save more than the least cost, none of a class that a better one has. */
function bestPairs(moves: readonly Move[], least: number): (readonly FormatChange[])[] {
  const cheapest = (some: readonly Move[]): Move[] =>
    [...some].sort((a, b) => a.price - b.price).slice(0, mostMoves);
  const up = cheapest(moves.filter(({ bytes }) => bytes > 0));
  const down = cheapest(moves.filter(({ bytes }) => bytes <= 0));
  const pairs = up.flatMap((more) =>
    down.flatMap((less) => (less.at !== more.at && less.bytes + more.bytes <= 0 ? [[more, less]] : [])),
  );
  const candidates = [...down.map((move) => [move]), ...pairs]
    .map((some) => ({ some, cost: sumOf(some, (move) => move.cost) }))
    .filter(({ cost }) => cost < -least)
    .sort((a, b) => a.cost - b.cost);
  const taken = new Set<number>();
  const chosen: (readonly FormatChange[])[] = [];
  for (const { some } of candidates) {
    if (some.some(({ at }) => taken.has(at))) continue;
    for (const { at } of some) taken.add(at);
    chosen.push(some.flatMap(({ changes }) => changes));
  }
  return chosen;
}
