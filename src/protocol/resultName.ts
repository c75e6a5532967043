import * as l10n from '@vscode/l10n';
import type { EvaluationResult } from './evaluation';

/**
 * What a result is called among those of a model.
 * @param isOwn whether it is a result of that model; those of other models that were measured from it name their model.
 */
export function resultName({ variant, roundActivations, model }: EvaluationResult, isOwn: boolean): string {
  const name = isOwn ? variant : `${model.name}, ${variant}`;
  return roundActivations ? l10n.t('{0}, 8-bit activations', name) : name;
}
