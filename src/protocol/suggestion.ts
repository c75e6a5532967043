import type { TensorSuggestion } from './planResults';
import { differencesText, measuredWith, measuredWithText } from './measuredWith';
import { planRung, rowRung, rungText } from './rungs';
import {
  assignmentOf,
  isInBlock,
  rowOf,
  type Plan,
  type SensitivityRow,
  type SensitivityTable,
} from './plan';

/** What the measurements and the plan of a model say about a tensor. */
export function suggestionFrom(
  table: SensitivityTable | undefined,
  plan: Plan | undefined,
  tensor: string,
): TensorSuggestion {
  const row = table && rowOf(table, tensor);
  const assignment = plan && assignmentOf(plan, tensor);
  const noise = table?.gainsFrom?.noise;
  const differences = table && plan ? differencesText(plan, measuredWith(table)) : [];
  return {
    ...(row ? { row, evidence: rowEvidence(table, row) } : {}),
    ...(row && noise !== undefined ? { noise } : {}),
    ...(assignment ? { assignment, plannedBy: rungText(planRung(plan), plan) } : {}),
    ...(assignment && differences.length > 0 ? { differences } : {}),
  };
}

/** The rung of the figures of a row, how its gain was found where it is not that of a measurement, and what errors and gains were measured with. */
function rowEvidence(table: SensitivityTable, row: SensitivityRow): string {
  const used = measuredWithText(measuredWith(table));
  return [
    rungText(rowRung(table, row), detailsOf(table, row)),
    ...unmeasured(table, row),
    ...(used === '' ? [] : [used]),
  ].join('; ');
}

function detailsOf(
  { gainsFrom, roundsActivations }: SensitivityTable,
  { tensor, measured }: SensitivityRow,
): Parameters<typeof rungText>[1] {
  const { by, sample } = gainsFrom ?? {};
  const gains = {
    ...(by && isInBlock(tensor) ? { by } : {}),
    ...(sample && !measured ? { sample } : {}),
  };
  return { gains, ...(roundsActivations ? { roundsActivations } : {}) };
}

function unmeasured({ gainsFrom }: SensitivityTable, { gain, isEstimated }: SensitivityRow): string[] {
  if (gain === undefined) return [];
  if (isEstimated) return ['the KL divergence by a gain that is estimated from the role of the tensor'];
  return gainsFrom?.model === undefined ? [] : ['the KL divergence by the gains of another model'];
}
