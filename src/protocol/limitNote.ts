import * as l10n from '@vscode/l10n';
import type { ModelLimits } from './model';

const run = l10n.t('run over a text (no evaluation, no gains, no importance matrix)');

/** That a model cannot be run over a text, what is possible all the same, and why. */
export const cannotRunNote = (reason: string): string =>
  l10n.t(
    'This model cannot be {0}; sensitivity and plans use the errors of its weights alone. The reason: {1}',
    run,
    reason,
  );

/** What can and cannot be done with a model, and why, for those who open it; undefined where nothing is missing. */
export function limitNote(limits: ModelLimits): string | undefined {
  if (limits.gguf !== undefined)
    return l10n.t(
      'This model cannot be exported as GGUF or {0}. Its tensors can be inspected and compared; those that are plain weights can be measured alone and quantized into safetensors files. The reason: {1}',
      run,
      limits.gguf,
    );
  if (limits.run === undefined)
    return limits.onnx === undefined
      ? undefined
      : l10n.t('This model cannot be exported as one ONNX graph. The reason: {0}', limits.onnx);
  if (!limits.embeds) return cannotRunNote(limits.run);
  return l10n.t(
    'This model embeds texts: it is evaluated with pairs of them. It cannot be run over a text (no perplexity, no gains, no importance matrix); sensitivity and plans use the errors of its weights alone. The reason: {0}',
    limits.run,
  );
}
