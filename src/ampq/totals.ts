import type { Plan, PlanAssignment } from '../protocol/plan';

/** How much the error of a tensor counts in means: by its weights, and by these times its role's factor. */
export interface TensorWeight {
  readonly weights: number;
  readonly roleFactor: number;
}

/**
 * Totals of assignments. Figures that need an unknown error or gain are absent.
 * @param weights of each assignment.
 * @param otherBytes of everything else in the file.
 */
export function totalOf(
  assignments: readonly PlanAssignment[],
  weights: readonly TensorWeight[],
  otherBytes: number,
): Plan['total'] {
  let [bytes, count, byRole, error, roleError, divergence] = [0, 0, 0, 0, 0, 0];
  assignments.forEach((item, i) => {
    const { weights: own, roleFactor } = weights[i]!;
    const squared = item.relativeSquaredError ?? NaN;
    bytes += item.bytes;
    count += own;
    byRole += own * roleFactor;
    error += squared * own;
    roleError += squared * own * roleFactor;
    divergence += squared === 0 ? 0 : squared * (item.gain ?? NaN);
  });
  return {
    bytes: bytes + otherBytes,
    bitsPerWeight: count === 0 ? 0 : (8 * bytes) / count,
    ...known('error', error / count),
    ...known('roleError', roleError / byRole),
    ...known('divergence', divergence),
  };
}

const known = <K extends string>(key: K, value: number): Partial<Record<K, number>> =>
  Number.isNaN(value) ? {} : ({ [key]: value } as Partial<Record<K, number>>);
