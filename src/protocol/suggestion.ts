import { greatestOf, leastOf } from './extremes';
import type { GroupSuggestion, TensorSuggestion } from './planResults';
import { differencesText, measuredWith, measuredWithText } from './measuredWith';
import { planRung, rowRung, rungText } from './rungs';
import { said } from './said';
import { isInBlock } from './gains';
import {
  assignmentOf,
  rowOf,
  type Plan,
  type PlanAssignment,
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
  return {
    ...(row ? { row, evidence: rowEvidence(table, row) } : {}),
    ...(row && noise !== undefined ? { noise } : {}),
    ...(assignment ? { assignment, ...basisOf(table, plan) } : {}),
  };
}

/**
 * The same about several tensors of the exported file; undefined where a plan chooses no format for any of them.
 * @param names of the exported file's tensors.
 */
export function groupSuggestion(
  table: SensitivityTable | undefined,
  plan: Plan | undefined,
  names: readonly string[],
): GroupSuggestion | undefined {
  const wanted = new Set(names);
  const assignments = (plan?.assignments ?? []).filter(({ tensor }) => wanted.has(tensor));
  const rows = (table?.rows ?? []).filter(({ tensor }) => wanted.has(tensor));
  if (!plan || assignments.length === 0) return undefined;
  const bytes = assignments.reduce((sum, item) => sum + item.bytes, 0);
  const bits = 8 * bytes;
  const weights = assignments.reduce((sum, item) => sum + (8 * item.bytes) / item.bitsPerWeight, 0);
  const errors = assignments.flatMap(({ tensor, format }) => {
    const cell = rows.find((row) => row.tensor === tensor)?.cells.find((item) => item.format === format);
    return cell && Number.isFinite(cell.relativeSquaredError) ? [Math.sqrt(cell.relativeSquaredError)] : [];
  });
  return {
    tensors: assignments.length,
    formats: formatsOf(assignments),
    lossless: rows.reduce((sum, { lossless }) => sum + lossless.bytes, 0),
    ...{ bytes, bitsPerWeight: bits / weights },
    ...(errors.length > 0 ? { errors: { least: leastOf(errors), most: greatestOf(errors) } } : {}),
    ...basisOf(table, plan),
    ...(table && rows[0] ? { evidence: rowEvidence(table, rows[0]) } : {}),
  };
}

/** Formats of assignments and how many have each, the one with the fewest bits first. */
function formatsOf(assignments: readonly PlanAssignment[]): GroupSuggestion['formats'] {
  const formats = new Map<string, { format: string; bitsPerWeight: number; tensors: number }>();
  for (const { format, bitsPerWeight } of assignments) {
    const counted = formats.get(format) ?? { format, bitsPerWeight, tensors: 0 };
    counted.tensors += 1;
    formats.set(format, counted);
  }
  return [...formats.values()].sort((a, b) => a.bitsPerWeight - b.bitsPerWeight);
}

/** What a plan rests on, and how it was measured otherwise than the table. */
function basisOf(
  table: SensitivityTable | undefined,
  plan: Plan,
): Pick<TensorSuggestion, 'plannedBy' | 'differences'> {
  const differences = table ? differencesText(plan, measuredWith(table)) : [];
  return {
    plannedBy: rungText(planRung(plan), plan),
    ...(differences.length > 0 ? { differences } : {}),
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
  if (isEstimated) return [said`the KL divergence by a gain that is estimated from the role of the tensor`];
  return gainsFrom?.model === undefined ? [] : [said`the KL divergence by the gains of another model`];
}
