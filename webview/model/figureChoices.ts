import * as l10n from '@vscode/l10n';

/** Figures to choose from, whether or not they are known. */
export const figureChoices = [
  { id: 'bits', label: l10n.t('Bits'), hint: l10n.t('Bits per weight, of the plan where there is one.') },
  { id: 'absMax', label: l10n.t('Absmax'), hint: l10n.t('The largest magnitude of a weight.') },
  { id: 'rms', label: l10n.t('RMS'), hint: l10n.t('The root of the mean square of the weights.') },
  { id: 'kurtosis', label: l10n.t('Kurtosis'), hint: l10n.t('How heavy the tails of the weights are.') },
  { id: 'outlierShare', label: l10n.t('Outliers'), hint: l10n.t('The share of weights far out.') },
  { id: 'error', label: l10n.t('Error'), hint: l10n.t('Relative error of the weights in a format.') },
  { id: 'gain', label: l10n.t('Gain'), hint: l10n.t('What an error of the weights does to the output.') },
] as const;
export type FigureChoice = (typeof figureChoices)[number]['id'];
