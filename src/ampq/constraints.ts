import { QuantscopeError } from '../model/errors';
import { PatternTrials } from '../model/patternTrials';
import { tensorRole } from '../model/roles';
import type { PlanChoice, PlanConstraint, SensitivityRow } from '../protocol/plan';
import { said } from '../protocol/said';

/** What constraints look at of a row. */
type NamedRow = Pick<SensitivityRow, 'tensor'>;

/** Tensors that get one format, and those that they may get. */
export interface RowClass {
  /** Places of the rows. */
  readonly rows: readonly number[];
  /** Ways to write all of them: for each row the place of its choice. */
  readonly options: readonly (readonly number[])[];
}

/** Each row in a class of its own, with all of its choices. */
export const classesAlone = (choices: readonly (readonly PlanChoice[])[]): readonly RowClass[] =>
  choices.map((own, row) => ({ rows: [row], options: singles(own.length) }));

/**
 * The rows of a table in classes that are solved together: a row alone, or those that must agree.
 * @param choices of each row. @param alone as `classesAlone` gives them: those that no constraint is about are in the result.
 * @throws QuantscopeError REQUEST naming the tensor and the constraints that leave it no format, a pattern that is not a regular
 * expression, or a constraint that matches no tensor.
 */
export function classesOf(
  rows: readonly SensitivityRow[],
  choices: readonly (readonly PlanChoice[])[],
  constraints: readonly PlanConstraint[],
  alone: readonly RowClass[],
): readonly RowClass[] {
  const idle = idleOf(rows, constraints);
  if (idle)
    throw new QuantscopeError(
      'REQUEST',
      said`The constraint ${constraintText(idle)} does not match any tensor that a plan can choose a format for.`,
    );
  const matching = matchesOf(rows, constraints);
  return groupsOf(rows, matching).map((members) => {
    const [first] = members;
    if (members.length === 1 && matching[first!]!.length === 0) return alone[first!]!;
    const options = optionsOf(members, choices, matching);
    if (options.length > 0) return { rows: members, options };
    const applied = [...new Set(members.flatMap((row) => matching[row]!))];
    const names = members.map((row) => rows[row]!.tensor).join(', ');
    const measured = [...new Set(members.flatMap((row) => choices[row]!.map(({ format }) => format)))];
    throw new QuantscopeError(
      'REQUEST',
      said`No measured format of ${names} (${measured.join(', ')}) meets ${applied.map(constraintText).join(' and ')}. Measure other formats, or change the constraints.`,
    );
  });
}

/** A constraint that is about none of the rows. */
function idleOf(
  rows: readonly NamedRow[],
  constraints: readonly PlanConstraint[],
): PlanConstraint | undefined {
  const matching = matchingRows(rows, constraints);
  return constraints.find((_, i) => matching[i]!.length === 0);
}

/** A constraint as the command line takes it. */
export function constraintText({ tensors, allow, exclude, minBits, agree }: PlanConstraint): string {
  return [
    ...(allow ? [`--allow ${tensors}=${allow.join(',')}`] : []),
    ...(exclude ? [`--exclude ${tensors}=${exclude.join(',')}`] : []),
    ...(minBits === undefined ? [] : [`--min ${tensors}=${minBits}`]),
    ...(agree ? [`--group ${tensors}`] : []),
  ].join(' ');
}

/**
 * Whether choices for all rows, in their order, meet all constraints; false also where one applies to no row.
 * @throws QuantscopeError as `PatternTrials.run`, or for a pattern that is not a regular expression.
 */
export function meetsAll(
  rows: readonly SensitivityRow[],
  chosen: readonly Pick<PlanChoice, 'format' | 'bitsPerWeight'>[],
  constraints: readonly PlanConstraint[],
): boolean {
  if (constraints.length === 0) return true;
  const matching = matchesOf(rows, constraints);
  return (
    !idleOf(rows, constraints) &&
    chosen.every((choice, row) => matching[row]!.every((constraint) => meets(choice, constraint))) &&
    groupsOf(rows, matching).every((members) => new Set(members.map((row) => chosen[row]!.format)).size === 1)
  );
}

/**
 * For each row the constraints that apply to it, in their order.
 * @param limit milliseconds that their patterns may take; as long as those of a request where it is absent.
 * @throws QuantscopeError as `PatternTrials.run`, or for a pattern that is not a regular expression.
 */
export function matchesOf(
  rows: readonly NamedRow[],
  constraints: readonly PlanConstraint[],
  limit?: number,
): readonly (readonly PlanConstraint[])[] {
  const found = new Map<number, PlanConstraint[]>();
  const matching = matchingRows(rows, constraints, limit);
  for (const [i, constraint] of constraints.entries())
    for (const row of matching[i]!) {
      const own = found.get(row);
      if (own) own.push(constraint);
      else found.set(row, [constraint]);
    }
  return rows.map((_, row) => found.get(row) ?? unbound);
}

/** What applies to rows that no constraint matches. */
const unbound: readonly PlanConstraint[] = [];

/** Most patterns whose rows are remembered for a table; pins of a model's tensors one by one are fewer. */
const mostPatterns = 1000;
const knownRows = new WeakMap<readonly NamedRow[], Map<string, readonly number[]>>();

/** The rows that each constraint matches. Each pattern is tried once on the rows of a table, as constraints come and go one by one. */
function matchingRows(
  rows: readonly NamedRow[],
  constraints: readonly PlanConstraint[],
  limit?: number,
): readonly (readonly number[])[] {
  const known = knownRows.get(rows) ?? new Map<string, readonly number[]>();
  if (known.size > mostPatterns) known.clear();
  const fresh = constraints.filter(({ tensors }) => !known.has(tensors));
  const patterns = fresh.map(patternOf);
  if (fresh.length > 0) {
    knownRows.set(rows, known);
    const trials = new PatternTrials(said`The patterns of the constraints`);
    const rowsOf = (pattern: RegExp): number[] =>
      rows.flatMap(({ tensor }, row) => (trials.test(pattern, tensor) ? [row] : []));
    trials.run(() => fresh.forEach(({ tensors }, i) => known.set(tensors, rowsOf(patterns[i]!))), limit);
  }
  return constraints.map(({ tensors }) => known.get(tensors)!);
}

function patternOf(constraint: PlanConstraint): RegExp {
  try {
    return new RegExp(constraint.tensors);
  } catch (cause) {
    const message = said`The pattern of the constraint ${constraintText(constraint)} is not a regular expression.`;
    throw new QuantscopeError('REQUEST', message, {}, cause);
  }
}

/** Rows that must agree, in the order of their first; each constraint joins those of one layer. */
export function groupsOf(
  rows: readonly NamedRow[],
  matching: readonly (readonly PlanConstraint[])[],
): readonly (readonly number[])[] {
  const group = rows.map((_, row) => [row]);
  if (!matching.some((own) => own.some(({ agree }) => agree === true))) return group;
  const known = new Map<PlanConstraint, Map<number | undefined, number>>();
  for (const [row, { tensor }] of rows.entries())
    for (const constraint of matching[row]!) {
      if (constraint.agree !== true) continue;
      const layers = known.get(constraint) ?? new Map<number | undefined, number>();
      known.set(constraint, layers);
      const { layer } = tensorRole(tensor);
      const first = layers.get(layer);
      if (first === undefined) layers.set(layer, row);
      else join(group, first, row);
    }
  return [...new Set(group)].map((members) => [...members].sort((a, b) => a - b));
}

function join(group: number[][], a: number, b: number): void {
  const [into, from] = [group[a]!, group[b]!];
  if (into === from) return;
  for (const row of from) {
    into.push(row);
    group[row] = into;
  }
}

function optionsOf(
  members: readonly number[],
  choices: readonly (readonly PlanChoice[])[],
  matching: readonly (readonly PlanConstraint[])[],
): readonly (readonly number[])[] {
  const allowed = members.map((row) =>
    [...choices[row]!.keys()].filter((at) => matching[row]!.every((item) => meets(choices[row]![at]!, item))),
  );
  const [first = [], ...others] = allowed;
  return first.flatMap((at) => {
    const { format } = choices[members[0]!]![at]!;
    const same = others.flatMap((places, i) => {
      const place = places.find((other) => choices[members[i + 1]!]![other]!.format === format);
      return place === undefined ? [] : [place];
    });
    return same.length === others.length ? [[at, ...same]] : [];
  });
}

/** One option for each of so many choices; the same lists for all tensors that have as many. */
function singles(count: number): readonly (readonly number[])[] {
  while (single.length < count) single.push([single.length]);
  const known = prefixes.get(count) ?? single.slice(0, count);
  prefixes.set(count, known);
  return known;
}

const single: (readonly number[])[] = [];
const prefixes = new Map<number, readonly (readonly number[])[]>();

/** Whether a choice for a tensor that a constraint applies to meets it; agreement aside. */
export const meets = (
  { format, bitsPerWeight }: Pick<PlanChoice, 'format' | 'bitsPerWeight'>,
  { allow, exclude, minBits = 0 }: PlanConstraint,
): boolean =>
  (allow?.includes(format) ?? true) && !(exclude?.includes(format) ?? false) && bitsPerWeight >= minBits;
