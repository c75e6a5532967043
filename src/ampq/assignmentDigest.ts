import { createHash } from 'node:crypto';
import type { Plan } from '../protocol/plan';

/** SHA-256 of what a plan makes of weights: the formats of tensors in any order, the importance matrix and the codes. */
export function assignmentDigest({
  assignments,
  imatrix,
  codes,
}: Pick<Plan, 'assignments' | 'imatrix' | 'codes'>): string {
  const formats = assignments
    .map(({ tensor, format }) => [tensor, format] as const)
    .sort(([a], [b]) => (a < b ? -1 : 1));
  const by = {
    imatrix: imatrix?.hash,
    codes: codes && { method: codes.method, hash: codes.hash, objective: codes.objective },
  };
  return createHash('sha256')
    .update(JSON.stringify([formats, by]))
    .digest('hex');
}
