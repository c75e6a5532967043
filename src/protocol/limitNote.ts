import type { ModelLimits } from './model';
import { inLanguage, said } from './said';

const run = inLanguage(said`run over a text (no evaluation, no gains, no importance matrix)`);

/** That a model cannot be run over a text, what is possible all the same, and why. */
export const cannotRunNote = (reason: string): string =>
  inLanguage(
    said`This model cannot be ${run}; sensitivity and plans use the errors of its weights alone. The reason: ${reason}`,
  );

/** What can and cannot be done with a model, and why, for those who open it; undefined where nothing is missing. */
export function limitNote(limits: ModelLimits): string | undefined {
  if (limits.gguf !== undefined)
    return inLanguage(
      said`This model cannot be exported as GGUF or ${run}. Its tensors can be inspected and compared; those that are plain weights can be measured alone and quantized into safetensors files. The reason: ${limits.gguf}`,
    );
  if (limits.run === undefined)
    return limits.onnx === undefined
      ? undefined
      : inLanguage(said`This model cannot be exported as one ONNX graph. The reason: ${limits.onnx}`);
  if (!limits.embeds) return cannotRunNote(limits.run);
  return inLanguage(
    said`This model embeds texts: it is evaluated with pairs of them. It cannot be run over a text (no perplexity, no gains, no importance matrix); sensitivity and plans use the errors of its weights alone. The reason: ${limits.run}`,
  );
}
