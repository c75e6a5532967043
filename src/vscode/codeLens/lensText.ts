import * as l10n from '@vscode/l10n';
import type { Plan } from '../../protocol/plan';
import type { ModelSizes } from '../../protocol/planResults';
import { plural, size } from '../../protocol/words';
import { labelText } from '../labelText';

/** Line breaks and other controls, which a name of a file can hold. */
const controls = /\p{Cc}+/gu;

/** "10.49 MB now, BF16": what a model takes as it is; what is missing of it where its files are. */
export function nowText({ bytes, dtype, missingFiles }: ModelSizes): string {
  const missing = missingFiles > 0 ? l10n.t('{0} missing', plural(missingFiles, 'file')) : undefined;
  if (bytes === 0) return missing ?? l10n.t('no weights');
  const now =
    dtype === undefined ? l10n.t('{0} now', size(bytes)) : l10n.t('{0} now, {1}', size(bytes), dtype);
  return missing === undefined ? now : `${now} · ${missing}`;
}

/**
 * "3.18 MB at 4.85 bits per weight": what it would take by its plan; undefined where there is none.
 * @param shown the plan that the model's editor shows.
 */
export function plannedText(
  { planned }: Pick<ModelSizes, 'planned'>,
  shown: Pick<Plan, 'total'> | undefined,
): string | undefined {
  const total = shown?.total ?? planned;
  if (!total) return undefined;
  const figures = [size(total.bytes), total.bitsPerWeight.toFixed(2)] as const;
  if (shown) return l10n.t('{0} at {1} bits per weight, by the plan shown', ...figures);
  const { file, isEstimate } = planned!;
  if (file !== undefined)
    return l10n.t('{0} at {1} bits per weight, by {2}', ...figures, labelText(file.replace(controls, ' ')));
  return isEstimate
    ? l10n.t('{0} at {1} bits per weight, not measured yet', ...figures)
    : l10n.t('{0} at {1} bits per weight', ...figures);
}
