import type { TensorSuggestion } from './engine';
import { errorRung } from './rungs';
import { assignmentOf, rowOf, type Plan, type SensitivityTable } from './plan';

/** What the measurements and the plan of a model say about a tensor. */
export function suggestionFrom(
  table: SensitivityTable | undefined,
  plan: Plan | undefined,
  tensor: string,
): TensorSuggestion {
  const row = table && rowOf(table, tensor);
  const assignment = plan && assignmentOf(plan, tensor);
  const { noise, sample } = table?.gainsFrom ?? {};
  const isInterpolated = row?.gain !== undefined && row.measured === undefined && !row.isEstimated;
  return {
    ...(row ? { row } : {}),
    ...(row ? { rung: row.gain === undefined || row.isEstimated ? errorRung(table) : 'gains' } : {}),
    ...(isInterpolated && sample ? { sample } : {}),
    ...(row && noise !== undefined ? { noise } : {}),
    ...(assignment ? { assignment } : {}),
  };
}
