import type { Plan, PlanAssignment } from '../src/protocol/plan';
import { influenceOf } from './influence';

/** Totals of some assignments of a plan. */
export interface Mix {
  readonly bytes: number;
  readonly bitsPerWeight: number;
  /** Σ relative squared error × weights / Σ weights; NaN where one of them is not known. */
  readonly error: number;
  /** How many tensors have each format, the smallest format first. */
  readonly formats: readonly { readonly format: string; readonly tensors: number }[];
}

export function mixOf(assignments: readonly PlanAssignment[]): Mix {
  let [bytes, weights, error] = [0, 0, 0];
  const formats = new Map<string, { format: string; tensors: number; bits: number }>();
  for (const { format, bitsPerWeight, bytes: its, relativeSquaredError } of assignments) {
    const itsWeights = (8 * its) / bitsPerWeight;
    bytes += its;
    weights += itsWeights;
    error += (relativeSquaredError ?? NaN) * itsWeights;
    const known = formats.get(format);
    if (known) known.tensors += 1;
    else formats.set(format, { format, tensors: 1, bits: bitsPerWeight });
  }
  return {
    ...{ bytes, bitsPerWeight: (8 * bytes) / weights, error: error / weights },
    formats: [...formats.values()].sort((a, b) => a.bits - b.bits),
  };
}

/**
 * The share of the predicted divergence that the assignments at some places cause, 0 to 1; undefined where the plan does not predict it.
 */
export function shareOf({ assignments, total }: Plan): ((members: readonly number[]) => number) | undefined {
  const { divergence } = total;
  if (divergence === undefined || !(divergence > 0)) return undefined;
  const influence = (index: number): number => {
    const item = assignments[index]!;
    // What is written without loss needs no gain.
    return item.relativeSquaredError === 0 ? 0 : (influenceOf(item, item.relativeSquaredError) ?? NaN);
  };
  return (members) => members.reduce((sum, index) => sum + influence(index), 0) / divergence;
}
