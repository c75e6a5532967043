import { QuantscopeError } from '../model/errors';
import { literalPattern } from '../model/literalPattern';
import type { Plan, PlanConstraint, SensitivityTable } from '../protocol/plan';
import type { FormatBinding } from '../protocol/planFront';
import { said } from '../protocol/said';
import { constraintText, matchesOf } from './constraints';

/** Pins and exclusions of single tensors, as constraints of a plan. */

/**
 * The constraints of a plan after some of its tensors were pinned to a format, kept from one, or released. Without a format it is the one that
 * each of them has.
 * @param tensors names in the plan; others are ignored.
 * @throws QuantscopeError REQUEST for a release where all that binds the tensors is about others, too.
 */
export function bound(
  table: SensitivityTable,
  plan: Plan,
  tensors: readonly string[],
  { kind, format }: FormatBinding,
): readonly PlanConstraint[] {
  const wanted = new Set(tensors);
  const kept = released(table, plan.constraints ?? [], wanted);
  if (kind === 'release') {
    refuseShared(table, plan.constraints ?? [], kept, wanted);
    return kept;
  }
  const all = plan.assignments.map(({ tensor }) => tensor);
  const byFormat = new Map<string, string[]>();
  for (const { tensor, format: own } of plan.assignments) {
    if (!wanted.has(tensor)) continue;
    const bindTo = format ?? own;
    const known = byFormat.get(bindTo);
    if (known) known.push(tensor);
    else byFormat.set(bindTo, [tensor]);
  }
  const base = kind === 'pin' ? kept : (plan.constraints ?? []);
  const edit = kind === 'pin' ? withPin : withExclusion;
  return [...byFormat].reduce<readonly PlanConstraint[]>(
    (constraints, [id, names]) => edit(constraints, patternFor(names, all), id),
    base,
  );
}

/** Whether there are pins or exclusions that are about these tensors alone. */
export const isReleasable = (
  table: SensitivityTable,
  constraints: readonly PlanConstraint[],
  tensors: readonly string[],
): boolean => binding(released(table, constraints, new Set(tensors))).length < binding(constraints).length;

/** Pins and exclusions. */
const binding = (constraints: readonly PlanConstraint[]): PlanConstraint[] =>
  constraints.filter(({ allow, exclude }) => (allow ?? exclude) !== undefined);

/** Without the pins and exclusions that are about these tensors alone. */
function released(
  { rows }: SensitivityTable,
  constraints: readonly PlanConstraint[],
  tensors: ReadonlySet<string>,
): readonly PlanConstraint[] {
  const others = new Set(
    matchesOf(rows, constraints).flatMap((own, row) => (tensors.has(rows[row]!.tensor) ? [] : own)),
  );
  return constraints.flatMap((constraint) =>
    others.has(constraint) ? [constraint] : withoutPattern([constraint], constraint.tensors),
  );
}

/** @throws QuantscopeError REQUEST where nothing was released, naming what still binds the tensors. */
function refuseShared(
  { rows }: SensitivityTable,
  before: readonly PlanConstraint[],
  kept: readonly PlanConstraint[],
  tensors: ReadonlySet<string>,
): void {
  if (binding(kept).length < binding(before).length) return;
  const own = rows.filter(({ tensor }) => tensors.has(tensor));
  const shared = [...new Set(matchesOf(own, binding(kept)).flat())];
  if (shared.length === 0) return;
  throw new QuantscopeError(
    'REQUEST',
    said`Nothing was released, as ${shared.map(constraintText).join(' and ')} is about other tensors, too: remove it from the constraints of the plan.`,
  );
}

/** A pattern that matches one name and no other. */
export const exactPattern = (name: string): string => `^${literalPattern(name)}$`;

/**
 * A pattern that matches some of the tensors of a plan and none of the others: a name, a role in all layers, a layer, or a list of names.
 * @param names at least one.
 * @param all names of the plan.
 */
export function patternFor(names: readonly string[], all: readonly string[]): string {
  const [first] = names;
  if (names.length === 1 || first === undefined) return exactPattern(first ?? '');
  const wanted = new Set(names);
  const layer = /^(.*?\.\d+\.)/.exec(first)?.[1];
  const candidates = [
    `^${literalPattern(first).replace(/\d+/g, '\\d+')}$`,
    ...(layer === undefined ? [] : [`^${literalPattern(layer)}`]),
  ];
  const isExact = (pattern: string): boolean => {
    const regex = new RegExp(pattern);
    return all.every((name) => regex.test(name) === wanted.has(name));
  };
  return candidates.find(isExact) ?? `^(${names.map(literalPattern).join('|')})$`;
}

/** With these tensors in this format alone; what their own pattern asked for before is replaced. */
export const withPin = (
  constraints: readonly PlanConstraint[],
  tensors: string,
  format: string,
): PlanConstraint[] => [...withoutPattern(constraints, tensors), { tensors, allow: [format] }];

/** With a format that these tensors must not have; a pin of the same pattern is released, a list of several formats stays. */
export function withExclusion(
  constraints: readonly PlanConstraint[],
  tensors: string,
  format: string,
): PlanConstraint[] {
  const own = constraints.filter((constraint) => constraint.tensors === tensors);
  const exclude = [...new Set([...own.flatMap((constraint) => constraint.exclude ?? []), format])];
  const lists = own.flatMap(({ allow = [] }) => (allow.length > 1 ? [{ tensors, allow }] : []));
  return [...withoutPattern(constraints, tensors), ...lists, { tensors, exclude }];
}

/** Without the pins and exclusions of a pattern; minima and agreement stay. */
export const withoutPattern = (constraints: readonly PlanConstraint[], tensors: string): PlanConstraint[] =>
  constraints.flatMap((constraint) => {
    if (constraint.tensors !== tensors) return [constraint];
    const { minBits, agree } = constraint;
    if (minBits === undefined && agree === undefined) return [];
    return [
      { tensors, ...(minBits === undefined ? {} : { minBits }), ...(agree === undefined ? {} : { agree }) },
    ];
  });
