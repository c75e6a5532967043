import type { ModelDescription } from './model';

const run = 'run over a text (no evaluation, no importance matrix)';

/** What can and cannot be done with a model, and why, for those who open it; undefined where nothing is missing. */
export function limitNote({ limits }: Pick<ModelDescription, 'limits'>): string | undefined {
  if (limits?.gguf !== undefined)
    return `This model cannot be exported as GGUF or ${run}. Its tensors can be inspected and compared; those that are plain weights can be measured alone and quantized into safetensors files. The reason: ${limits.gguf}`;
  if (limits?.run !== undefined)
    return `This model cannot be ${run}; sensitivity and plans use its weights alone. Everything else works. The reason: ${limits.run}`;
  return undefined;
}
