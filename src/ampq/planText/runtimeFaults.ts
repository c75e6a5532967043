import type { DocumentFault } from '../../protocol/documentCheck';
import type { PlanConstraint } from '../../protocol/plan';
import { runtimes, type Runtime } from '../../protocol/runtimes';
import { said } from '../../protocol/said';
import { loadsFormat, runtimeConstraints } from '../runtimes';
import { brokenBy } from './constraintFaults';
import { fault, type BoundAssignment } from './faults';
import type { PlanDocument } from './planDocument';

/** Floats, which every runtime loads. */
const floats: ReadonlySet<string> = new Set(['F32', 'F16', 'BF16']);

/**
 * What keeps a plan from being loaded by any runtime: a format that the others of the plan do not go with, or a fused group.
 * @param met the plan's own constraints, which fixes keep to; where it breaks one, groups of runtimes are not looked at.
 */
export function runtimeFaults(
  { json }: PlanDocument,
  bound: readonly BoundAssignment[],
  met: readonly PlanConstraint[] | undefined,
): DocumentFault[] {
  const counted = runtimes
    .map((runtime) => ({ runtime, foreign: foreignOf(runtime, bound) }))
    .sort((a, b) => a.foreign.length - b.foreign.length);
  const [best] = counted;
  if (!best || bound.length === 0) return [];
  if (best.foreign.length > 0) return best.foreign.map((item) => foreignTo(json, item, best.runtime));
  if (!met) return [];
  const names = bound.map(({ tensor }) => tensor);
  const able = counted.filter(({ foreign }) => foreign.length === 0);
  const broken = able.map(({ runtime }) => {
    const constraints = [...met, ...runtimeConstraints(runtime, names)];
    return brokenBy(json, constraints, bound, 'runtime/none', `, which ${runtime} needs`);
  });
  return broken.reduce((least, faults) => (faults.length < least.length ? faults : least));
}

/** Assignments whose format a runtime does not load. */
function foreignOf(runtime: Runtime, bound: readonly BoundAssignment[]): readonly BoundAssignment[] {
  const foreign = new Set(bound.map(({ format }) => format));
  for (const format of foreign)
    if (floats.has(format) || loadsFormat(runtime, format)) foreign.delete(format);
  return foreign.size === 0 ? [] : bound.filter(({ format }) => foreign.has(format));
}

function foreignTo(json: PlanDocument['json'], item: BoundAssignment, runtime: Runtime): DocumentFault {
  const message = said`No runtime loads all of this plan: ${runtime} loads most of it, but not ${item.format} of ${item.tensor}.`;
  return fault('runtime/none', 'warning', json.span('assignments', item.index, 'format'), message);
}
