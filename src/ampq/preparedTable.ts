import { padded } from '../protocol/fileFrame';
import {
  choicesOf,
  type Plan,
  type PlanAssignment,
  type PlanChoice,
  type PlanConstraint,
  type SensitivityRow,
  type SensitivityTable,
} from '../protocol/plan';
import { perTable } from '../protocol/perTable';
import { classesAlone, classesOf, meetsAll, type RowClass } from './constraints';
import { classesFrom } from './derivedClasses';
import { preparedSolver, type KnapsackSolver } from './knapsack';
import { prepareClasses, type Choice, type KnapsackClasses } from './knapsackClasses';
import { totalOf } from './totals';
import { knapsackFront, type KnapsackFront } from './knapsackFront';

/** What of a table depends on no constraint. */
interface TableBase {
  readonly rows: readonly SensitivityRow[];
  /** Their total number of weights. */
  readonly weights: number;
  /** Whether all gains are known: costs are then predicted divergences. */
  readonly hasGains: boolean;
  /** Cost of a unit of relative squared error in each row. */
  readonly factors: readonly number[];
  /** Ways to write each row. */
  readonly choices: readonly (readonly PlanChoice[])[];
  /** Each row in a class of its own, and the knapsack of these by the alignment of sizes. */
  readonly alone: readonly RowClass[];
  readonly knapsackOf: (alignment: number) => KnapsackClasses;
  readonly presets: readonly Omit<MeasuredPreset, 'isAllowed'>[];
}

/** A table prepared for any budget. */
export interface PreparedTable extends Omit<TableBase, 'alone' | 'knapsackOf' | 'presets'> {
  /** Rows that are solved together. */
  readonly classes: readonly RowClass[];
  /** The solver of the classes that counts each tensor with its padding to an alignment. */
  readonly solverFor: (alignment: number) => KnapsackSolver;
  /** The corners of their Pareto front, by the bytes of tensor data. */
  readonly front: () => KnapsackFront;
  readonly presets: readonly MeasuredPreset[];
}

/** A preset whose types were all measured. */
interface MeasuredPreset {
  readonly fileType: string;
  /** Of each row the place of its choice, and the bytes of that. */
  readonly places: Int32Array;
  readonly bytes: Float64Array;
  readonly cost: number;
  /** Its totals as a plan states them, without the size of a file; computed once. */
  readonly total: () => Plan['total'];
  /** Whether it meets the constraints. */
  readonly isAllowed: () => boolean;
}

/**
 * Tables are not changed, so that each is prepared once with the same constraints: a slider solves the same one at every step. Of each, as many
 * sets of constraints are held as a user goes back and forth between.
 */
const mostSets = 8;
const tables = new WeakMap<SensitivityTable, Map<string, PreparedTable>>();

/**
 * A table whose presets, costs and knapsacks are ready for any budget.
 * @throws QuantscopeError as `classesOf`.
 */
export function prepareTable(table: SensitivityTable, constraints: readonly PlanConstraint[]): PreparedTable {
  const known = tables.get(table) ?? new Map<string, PreparedTable>();
  tables.set(table, known);
  const key = JSON.stringify(constraints);
  const found = known.get(key) ?? prepare(table, constraints);
  known.delete(key); // the latest used are last
  known.set(key, found);
  const [oldest] = known.keys();
  if (known.size > mostSets) known.delete(oldest!);
  return found;
}

const baseOf = perTable(({ rows, presets, fixedBytes }): TableBase => {
  const choices = rows.map(choicesOf);
  // A tensor that can only be written without loss needs no gain.
  const hasGains = rows.every(
    ({ gain }, i) =>
      gain !== undefined || choices[i]!.every(({ relativeSquaredError }) => relativeSquaredError === 0),
  );
  const factors = rows.map((row) => (hasGains ? (row.gain ?? 0) : row.weights * row.roleFactor));
  const alone = classesAlone(choices);
  return {
    ...{ rows, weights: sumOf(rows, (row) => row.weights), hasGains, factors, choices, alone },
    knapsackOf: remembered((alignment) =>
      prepareClasses(alone.map((own) => knapsackItem(own, { choices, factors }, alignment))),
    ),
    presets: presets.flatMap(({ fileType, formats }) => {
      const places = placesOf(choices, formats);
      if (places.includes(-1)) return [];
      const chosen = choices.map((options, i) => options[places[i]!]!);
      const cost = sumOf(chosen, (item, i) => item.relativeSquaredError * factors[i]!);
      const bytes = Float64Array.from(chosen, (item) => item.bytes);
      const total = once(() => totalOf(assignmentsOf({ rows, choices }, places), rows, fixedBytes));
      return [{ fileType, places, bytes, cost, total }];
    }),
  };
});

function prepare(table: SensitivityTable, constraints: readonly PlanConstraint[]): PreparedTable {
  const { alone, knapsackOf: knapsackAlone, presets, ...base } = baseOf(table);
  const { rows, choices } = base;
  const classes = classesOf(rows, choices, constraints, alone);
  const isAlone = (own: RowClass): boolean => own === alone[own.rows[0]!];
  const knapsackOf = remembered((alignment) =>
    classes.every(isAlone)
      ? knapsackAlone(alignment)
      : classesFrom(
          knapsackAlone(alignment),
          classes.map((own) => (isAlone(own) ? own.rows[0]! : knapsackItem(own, base, alignment))),
        ),
  );
  return {
    ...{ ...base, classes },
    solverFor: remembered((alignment) => preparedSolver(knapsackOf(alignment))),
    front: once(() => knapsackFront(knapsackOf(1))),
    presets: presets.map((preset) => ({
      ...preset,
      isAllowed: once(() => {
        const chosen = choices.map((options, row) => options[preset.places[row]!]!);
        return meetsAll(rows, chosen, constraints);
      }),
    })),
  };
}

/** Of each row the place of a format among its choices; −1 where it was not measured. */
function placesOf(choices: readonly (readonly PlanChoice[])[], formats: readonly string[]): Int32Array {
  // Most rows list their choices in one order.
  const usual = new Map<string, number>();
  return Int32Array.from(choices, (options, i) => {
    const wanted = formats[i]!;
    const expected = usual.get(wanted);
    if (expected !== undefined && options[expected]?.format === wanted) return expected;
    const place = options.findIndex(({ format }) => format === wanted);
    usual.set(wanted, place);
    return place;
  });
}

/** What rows become with a choice of each. @param places of the choices. */
export const assignmentsOf = (
  { rows, choices }: Pick<PreparedTable, 'rows' | 'choices'>,
  places: Int32Array,
): readonly PlanAssignment[] => rows.map((row, i) => assignmentOf(row, choices[i]![places[i]!]!));

/** The sum of sizes, each with its padding to an alignment. */
export function paddedSum(sizes: Float64Array, alignment: number): number {
  let sum = 0;
  for (const bytes of sizes) sum += padded(bytes, alignment);
  return sum;
}

/** The function, computing once for each alignment. */
function remembered<T>(compute: (alignment: number) => T): (alignment: number) => T {
  const known = new Map<number, T>();
  return (alignment) => {
    const found = known.get(alignment) ?? compute(alignment);
    known.set(alignment, found);
    return found;
  };
}

/** The function, computing once. */
function once<T>(compute: () => T): () => T {
  let known: { readonly value: T } | undefined;
  return () => (known ??= { value: compute() }).value;
}

/** Bytes, with padding to an alignment, and cost of each option of a class. */
function knapsackItem(
  { rows, options }: RowClass,
  { choices, factors }: Pick<TableBase, 'choices' | 'factors'>,
  alignment: number,
): Choice[] {
  const [row] = rows;
  // Most tensors are on their own, and there are many.
  if (rows.length === 1)
    return options.map(([place]) => {
      const { bytes, relativeSquaredError } = choices[row!]![place!]!;
      return { bytes: padded(bytes, alignment), cost: relativeSquaredError * factors[row!]! };
    });
  return options.map((places) => ({
    bytes: sumOf(places, (place, i) => padded(choices[rows[i]!]![place]!.bytes, alignment)),
    cost: sumOf(places, (place, i) => choices[rows[i]!]![place]!.relativeSquaredError * factors[rows[i]!]!),
  }));
}

function assignmentOf(
  { tensor, sources, gain }: SensitivityRow,
  { format, bitsPerWeight, bytes, relativeSquaredError }: PlanChoice,
): PlanAssignment {
  // One for each tensor at every step of a slider: without spreads.
  return gain === undefined
    ? { tensor, sources, format, bitsPerWeight, bytes, relativeSquaredError }
    : { tensor, sources, format, bitsPerWeight, bytes, relativeSquaredError, gain };
}

export const sumOf = <T>(items: readonly T[], value: (item: T, index: number) => number): number =>
  items.reduce((sum, item, index) => sum + value(item, index), 0);
