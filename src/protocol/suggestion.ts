import type { TensorSuggestion } from './engine';
import { differencesText, measuredWith, measuredWithText } from './measuredWith';
import { errorRung, planRung, rungText } from './rungs';
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
  return [rowRung(table, row), ...(used === '' ? [] : [used])].join('; ');
}

function rowRung(table: SensitivityTable, { tensor, gain, isEstimated, measured }: SensitivityRow): string {
  const { gainsFrom, roundsActivations } = table;
  const ofErrors = rungText(errorRung(table));
  if (gain === undefined || !gainsFrom) return ofErrors;
  if (isEstimated)
    return `${ofErrors}; the KL divergence by a gain that is estimated from the role of the tensor`;
  if (gainsFrom.model !== undefined) return `${ofErrors}; the KL divergence by the gains of another model`;
  const { by, sample } = gainsFrom;
  const details = {
    ...(by && isInBlock(tensor) ? { by } : {}),
    ...(sample && !measured ? { sample } : {}),
  };
  return rungText('gains', { gains: details, ...(roundsActivations ? { roundsActivations } : {}) });
}
