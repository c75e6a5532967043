import * as l10n from '@vscode/l10n';
import { differencesText, measuredWith } from '../protocol/measuredWith';
import { choicesOf, type Plan, type PlanAssignment, type SensitivityTable } from '../protocol/plan';

/** Figures that differ by less, relatively, are the same: files hold them in decimal digits. */
const rounding = 1e-6;

/** Why the plan of a file is not the solver's for its size, as part of a sentence. */
export function planFileReason(plan: Plan, table: SensitivityTable | undefined): string {
  if (plan.certificate?.improvement?.isAdopted) return l10n.t('it was improved by measured swaps');
  if (plan.fit?.gpu) return l10n.t('it was made for a GPU and RAM together');
  if (!table) return l10n.t('nothing was measured yet that it could be compared with');
  if (differencesText(plan, measuredWith(table)).length > 0)
    return l10n.t('it was made from other measurements');
  return isOfFigures(plan, table)
    ? l10n.t('it was edited by hand')
    : l10n.t('its errors or gains are not those of the present measurements');
}

/** Whether a plan has the errors and gains of a table, where it states them. */
function isOfFigures({ assignments }: Plan, { rows }: SensitivityTable): boolean {
  const byName = new Map(rows.map((row) => [row.tensor, row]));
  return assignments.every(({ tensor, format, relativeSquaredError, gain }: PlanAssignment) => {
    const row = byName.get(tensor);
    const choice = row && choicesOf(row).find((one) => one.format === format);
    return isSame(relativeSquaredError, choice?.relativeSquaredError) && isSame(gain, row?.gain);
  });
}

/** A figure that a file does not state is not another one. */
const isSame = (stated: number | undefined, measured: number | undefined): boolean =>
  stated === undefined ||
  (measured !== undefined && Math.abs(stated - measured) <= rounding * Math.abs(measured));
