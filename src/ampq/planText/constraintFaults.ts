import { QuantscopeError } from '../../model/errors';
import type { DocumentFault, FaultCode } from '../../protocol/documentCheck';
import type { PlanConstraint } from '../../protocol/plan';
import { findFormat } from '../../quant/catalogue';
import { constraintText, groupsOf, matchesOf, meets } from '../constraints';
import { fault, replaced, type BoundAssignment } from './faults';
import { formatId } from './formatFaults';
import type { PlanDocument } from './planDocument';

/** Members of a group named in a message. */
const maxNamed = 6;

/** Constraints of a plan that are no patterns, that match nothing, or that its own assignments break. */
export function constraintFaults(
  { json, constraints, assignments }: PlanDocument,
  bound: readonly BoundAssignment[],
): DocumentFault[] {
  const faults: DocumentFault[] = [];
  const usable: PlanConstraint[] = [];
  for (const { index, constraint } of constraints) {
    const span = json.span('constraints', index, 'tensors');
    try {
      const isIdle = matchesOf(assignments, [constraint]).every((own) => own.length === 0);
      if (!isIdle) usable.push(constraint);
      else if (assignments.length > 0)
        faults.push(
          fault('constraint/idle', 'warning', span, 'The constraint does not match any tensor of the plan.'),
        );
    } catch (error) {
      if (!(error instanceof QuantscopeError)) throw error;
      faults.push(fault('constraint/pattern', 'error', span, error.message));
    }
  }
  return [...faults, ...brokenBy(json, usable, bound, 'constraint/broken', '')];
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
    const fixes = allowedIn(item, matching[i]!).map((id) => replaced(span, id, `Change to ${id}`));
    const message = `${item.format} for ${item.tensor} breaks ${constraintText(broken)}${whose}.`;
    return [fault(code, 'error', span, message, fixes)];
  });
  const groups = groupsOf(bound, matching).filter(
    (members) => new Set(members.map((row) => bound[row]!.format)).size > 1,
  );
  return [...alone, ...groups.flatMap((members) => brokenGroup(json, bound, members, whose))];
}

/** Each member of a group that has another format than most. */
function brokenGroup(
  json: PlanDocument['json'],
  bound: readonly BoundAssignment[],
  members: readonly number[],
  whose: string,
): DocumentFault[] {
  const counts = new Map<string, number>();
  for (const row of members) counts.set(bound[row]!.format, (counts.get(bound[row]!.format) ?? 0) + 1);
  const [usual] = [...counts].sort(([, a], [, b]) => b - a)[0]!;
  const named = members.slice(0, maxNamed).map((row) => `${bound[row]!.tensor} ${bound[row]!.format}`);
  const more = members.length > maxNamed ? `, and ${members.length - maxNamed} more` : '';
  return members
    .map((row) => bound[row]!)
    .filter(({ format }) => format !== usual)
    .map((item) => {
      const span = json.span('assignments', item.index, 'format');
      const message = `Tensors that must have one format have several${whose}: ${named.join(', ')}${more}.`;
      return fault('group/broken', 'error', span, message, [
        replaced(span, usual, `Change to ${usual}, as the others of its group`),
      ]);
    });
}

/** Formats that all constraints of a tensor allow and its rows fit; none where nothing lists any. */
function allowedIn({ candidate }: BoundAssignment, constraints: readonly PlanConstraint[]): string[] {
  const { shape } = candidate.converted;
  const listed = constraints.flatMap(({ allow = [] }) => allow);
  return [...new Set(listed)].flatMap((name) => {
    const format = findFormat(name);
    if (!format || format.refuse(shape) !== undefined) return [];
    const choice = { format: format.id, bitsPerWeight: format.bitsPerWeight(shape) };
    return constraints.every((constraint) => meets(choice, withIds(constraint))) ? [format.id] : [];
  });
}

/** Files may name formats in any case. */
const withIds = ({ allow, exclude, ...others }: PlanConstraint): PlanConstraint => ({
  ...others,
  ...(allow ? { allow: allow.map(idOr) } : {}),
  ...(exclude ? { exclude: exclude.map(idOr) } : {}),
});

const idOr = (name: string): string => formatId(name) ?? name;
