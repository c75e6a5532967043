import { QuantscopeError } from '../../model/errors';
import { matrixOf } from '../../model/rows';
import type { DocumentFault, FaultCode } from '../../protocol/documentCheck';
import type { PlanConstraint } from '../../protocol/plan';
import { said } from '../../protocol/said';
import { bytesIn, isRowOf, weightsOf } from '../candidates';
import { constraintText, groupsOf, matchesOf, meets } from '../constraints';
import { fault, replaced, type BoundAssignment } from './faults';
import { formatId } from './formatFaults';
import type { PlanDocument } from './planDocument';

/** Members of a group named in a message. */
const maxNamed = 6;

/** Milliseconds that the patterns of a text may take, which is checked at every change. */
const maxTime = 1000;

/**
 * Constraints of a plan that are no patterns, that match nothing, or that its own assignments break.
 * @returns also those that apply to it, where it meets all of them.
 */
export function constraintFaults(
  { json, constraints, assignments }: PlanDocument,
  bound: readonly BoundAssignment[],
): { readonly faults: readonly DocumentFault[]; readonly met?: readonly PlanConstraint[] } {
  const faults: DocumentFault[] = [];
  const usable: PlanConstraint[] = [];
  const end = performance.now() + maxTime;
  for (const { index, constraint } of constraints) {
    const span = json.span('constraints', index, 'tensors');
    const left = Math.ceil(end - performance.now());
    if (left <= 0) break; // one of them takes too long, which is told
    try {
      const isIdle = matchesOf(assignments, [constraint], left).every((own) => own.length === 0);
      if (!isIdle) usable.push(constraint);
      else if (assignments.length > 0)
        faults.push(
          fault(
            'constraint/idle',
            'warning',
            span,
            said`The constraint does not match any tensor of the plan.`,
          ),
        );
    } catch (error) {
      if (!(error instanceof QuantscopeError)) throw error;
      faults.push(fault('constraint/pattern', 'error', span, error.message));
    }
  }
  const broken = brokenBy(json, usable, bound, 'constraint/broken', '');
  return { faults: [...faults, ...broken], ...(broken.length === 0 ? { met: usable } : {}) };
}

/**
 * Assignments that break constraints.
 * @param whose the end of a message: who asks for it.
 */
export function brokenBy(
  json: PlanDocument['json'],
  constraints: readonly PlanConstraint[],
  bound: readonly BoundAssignment[],
  code: FaultCode,
  whose: string,
): DocumentFault[] {
  if (constraints.length === 0) return [];
  const matching = matchesOf(bound, constraints);
  const alone = bound.flatMap((item, i) => {
    const broken = matching[i]!.find((constraint) => !meets(item, withIds(constraint)));
    if (!broken) return [];
    const span = json.span('assignments', item.index, 'format');
    const fixes = allowedIn(item, matching[i]!).map((id) => replaced(span, id, said`Change to ${id}`));
    const message = said`${item.format} for ${item.tensor} breaks ${constraintText(broken)}${whose}.`;
    return [fault(code, 'error', span, message, fixes)];
  });
  const groups = groupsOf(bound, matching).filter(
    (members) => members.length > 1 && new Set(members.map((row) => bound[row]!.format)).size > 1,
  );
  return [...alone, ...groups.flatMap((members) => brokenGroup(json, bound, members, matching, whose))];
}

/** Each member of a group that has another format than most, or than those that all of them may have. */
function brokenGroup(
  json: PlanDocument['json'],
  bound: readonly BoundAssignment[],
  members: readonly number[],
  matching: readonly (readonly PlanConstraint[])[],
  whose: string,
): DocumentFault[] {
  const counts = new Map<string, number>();
  for (const row of members) counts.set(bound[row]!.format, (counts.get(bound[row]!.format) ?? 0) + 1);
  const common = [...counts].sort(([, a], [, b]) => b - a).map(([format]) => format);
  const shared = common.find((format) => members.every((row) => mayBe(bound[row]!, format, matching[row]!)));
  const named = members.slice(0, maxNamed).map((row) => `${bound[row]!.tensor} ${bound[row]!.format}`);
  const more = members.length > maxNamed ? said`, and ${members.length - maxNamed} more` : '';
  const message = said`Tensors that must have one format have several${whose}: ${named.join(', ')}${more}.`;
  return members
    .map((row) => bound[row]!)
    .filter(({ format }) => format !== (shared ?? common[0]))
    .map((item) => {
      const span = json.span('assignments', item.index, 'format');
      const fixes =
        shared === undefined
          ? []
          : [replaced(span, shared, said`Change to ${shared}, as the others of its group`)];
      return fault('group/broken', 'error', span, message, fixes);
    });
}

/** Formats that all constraints of a tensor allow and its rows fit; none where nothing lists any. */
function allowedIn(item: BoundAssignment, constraints: readonly PlanConstraint[]): string[] {
  const listed = constraints.flatMap(({ allow = [] }) => allow.flatMap((name) => formatId(name) ?? []));
  return [...new Set(listed)].filter((id) => mayBe(item, id, constraints));
}

/** Whether a format holds the rows of a tensor, and all constraints allow it. */
function mayBe(
  { candidate }: BoundAssignment,
  format: string,
  constraints: readonly PlanConstraint[],
): boolean {
  const { shape } = candidate.converted;
  if (!isRowOf(format, matrixOf(shape).columns)) return false;
  const bitsPerWeight = (8 * bytesIn(format, shape)) / weightsOf(candidate);
  return constraints.every((constraint) => meets({ format, bitsPerWeight }, withIds(constraint)));
}

/** Files may name formats in any case. */
const withIds = ({ allow, exclude, ...others }: PlanConstraint): PlanConstraint => ({
  ...others,
  ...(allow ? { allow: allow.map(idOr) } : {}),
  ...(exclude ? { exclude: exclude.map(idOr) } : {}),
});

const idOr = (name: string): string => formatId(name) ?? name;
