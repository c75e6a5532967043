import type { Plan, PlanAssignment, SensitivityRow, SensitivityTable } from '../protocol/plan';
import type { RivalFile, RivalTensor } from '../protocol/rivalFile';
import { errorInType } from './rivalFile';
import { totalOf } from './totals';

/**
 * The types of a file as a plan states them, by the errors and gains of a table: those of its types with the codes of the table, not of the
 * weights that the file holds. Figures that need an unknown error are absent.
 * @param rival has the tensors of the table.
 */
export function rivalPlan(
  rival: RivalFile,
  { rows, fixedBytes }: Pick<SensitivityTable, 'rows' | 'fixedBytes'>,
): Pick<Plan, 'assignments' | 'total'> {
  const byName = new Map(rival.tensors.map((item) => [item.tensor, item]));
  const assignments = rows.map((row) => assignmentOf(row, byName.get(row.tensor)!));
  return { assignments, total: { ...totalOf(assignments, rows, fixedBytes), fileBytes: rival.bytes } };
}

function assignmentOf(row: SensitivityRow, { type, bytes }: RivalTensor): PlanAssignment {
  const { tensor, sources, weights, gain } = row;
  const error = errorInType(row, type);
  return {
    ...{ tensor, sources, format: type, bytes, bitsPerWeight: (8 * bytes) / weights },
    ...(error === undefined ? {} : { relativeSquaredError: error }),
    ...(gain === undefined ? {} : { gain }),
  };
}
