import * as l10n from '@vscode/l10n';
import type { MeasuredWith } from './measuredWith';
import { sampleText, type GainsText } from './gains';
import type { Plan, SensitivityRow, SensitivityTable } from './plan';
import { inLanguage, said } from './said';

/** What a figure rests on, from the weights alone up to a measurement of the plan as a whole. */
export type Rung = 'weights' | 'importance' | 'hessian' | 'gains' | 'joint';

/** The ladder of evidence, from its lowest rung. */
const rungs: readonly { readonly id: Rung; readonly short: string; readonly label: string }[] = [
  {
    id: 'weights',
    short: inLanguage(said`weights alone`),
    label: inLanguage(said`errors of the weights alone`),
  },
  {
    id: 'importance',
    short: l10n.t('importance'),
    label: inLanguage(said`errors of the weights, by the importance of their inputs`),
  },
  { id: 'hessian', short: l10n.t('Hessian'), label: inLanguage(said`errors of the outputs over a text`) },
  {
    id: 'gains',
    short: inLanguage(said`gains over a text`),
    label: inLanguage(said`effect of each tensor alone on the output, over a text`),
  },
  {
    id: 'joint',
    short: inLanguage(said`measured jointly`),
    label: inLanguage(said`measured with all tensors together, over another text`),
  },
];

/** "gains over a text": to label a figure. */
export const rungLabel = (rung: Rung): string => rungs.find(({ id }) => id === rung)!.short;

/**
 * "rung 3 of 4, gains: effect of each tensor alone on the output, over a text, by the curvature, without the rounding of activations".
 * @param of the table or the plan that figures are of.
 */
export function rungText(rung: Rung, of: RungDetails = {}): string {
  const at = rungs.findIndex(({ id }) => id === rung);
  const details = rung === 'gains' ? gainsDetails(of) : [];
  return [inLanguage(said`rung ${at} of ${rungs.length - 1}, ${rung}: ${rungs[at]!.label}`), ...details].join(
    ', ',
  );
}

/** What a table (`gainsFrom`) or a plan (`gains`) says of how its gains were measured. */
export interface RungDetails extends Pick<SensitivityTable, 'roundsActivations'> {
  readonly gainsFrom?: Pick<GainsText, 'sample' | 'by'>;
  readonly gains?: Pick<GainsText, 'sample' | 'by'>;
}

function gainsDetails({ roundsActivations, gainsFrom, gains }: RungDetails): string[] {
  const { sample, by } = gainsFrom ?? gains ?? {};
  return [
    ...(by ? [inLanguage(said`by the curvature`)] : []),
    ...(sample ? [sampleText(sample)] : []),
    roundsActivations
      ? inLanguage(said`with the rounding of activations`)
      : inLanguage(said`without the rounding of activations`),
  ];
}

/** Of the errors of a table or a plan. */
export const errorRung = ({ imatrix, codes }: Pick<SensitivityTable, 'imatrix' | 'codes'>): Rung =>
  codes ? 'hessian' : imatrix ? 'importance' : 'weights';

/** Of the figures of a table: divergences where there are gains of the model itself, else errors. */
export const tableRung = (table: Pick<SensitivityTable, 'imatrix' | 'codes' | 'gainsFrom'>): Rung =>
  table.gainsFrom && table.gainsFrom.model === undefined ? 'gains' : errorRung(table);

/** Of the divergences of a row: gains that were estimated, or are those of another model, do not count as a measurement. */
export function rowRung(
  table: Pick<SensitivityTable, 'imatrix' | 'codes' | 'gainsFrom'>,
  { gain, isEstimated }: Pick<SensitivityRow, 'gain' | 'isEstimated'>,
): Rung {
  return gain === undefined || isEstimated ? errorRung(table) : tableRung(table);
}

/** Of what a plan predicts; gains of another model do not count as a measurement of this one. */
export const predictionRung = (
  plan: Pick<MeasuredWith, 'imatrix' | 'codes' | 'gains'> & Pick<Plan, 'total'>,
): Rung =>
  plan.total.divergence !== undefined && plan.gains && plan.gains.model === undefined
    ? 'gains'
    : errorRung(plan);

/** Of the best figure that there is of a plan. */
export const planRung = (plan: Pick<Plan, 'imatrix' | 'codes' | 'gains' | 'total' | 'certificate'>): Rung =>
  plan.certificate ? 'joint' : predictionRung(plan);
