import { previewGguf } from '../exporter/exportGguf';
import { openModel } from '../layouts/openModel';
import { QuantscopeError } from '../model/errors';
import type { ModelRef } from '../protocol/model';

/**
 * Exact bytes that an exported GGUF of this model holds besides tensor data: header, tokenizer, maximum padding. They do not
 * depend on the types, except for padding, which is counted at its maximum.
 * @param fallback when the model cannot be exported as GGUF.
 */
export async function exportOverhead(ref: ModelRef, fallback: number): Promise<number> {
  const model = await openModel(ref);
  try {
    const { fileBytes, dataBytes, tensors } = await previewGguf(model, {
      type: 'F16',
      allowRequantize: true,
    });
    return fileBytes - dataBytes + 32 * tensors.length;
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'INTERNAL') throw error;
    return fallback; // another architecture: the plan still fits its budget, to within the estimate
  } finally {
    await model.close();
  }
}
