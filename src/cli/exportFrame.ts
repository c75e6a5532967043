import { frameIfExportable } from '../exporter/exportGguf';
import { openModel } from '../layouts/openModel';
import { readImatrix } from '../model/imatrix';
import type { ModelRef } from '../protocol/model';
import type { FileFrame } from '../protocol/plan';

/**
 * What an exported GGUF file of this model holds besides the tensors that a plan chooses formats for; undefined when the model cannot be
 * exported as GGUF.
 * @param options the importance matrix that weights are encoded with, and whether their codes are optimised.
 * @throws QuantscopeError IO or MODEL_FILE for a model or a matrix that cannot be read.
 */
export async function exportFrame(
  ref: ModelRef,
  { imatrix, isOptimised }: { readonly imatrix?: string | undefined; readonly isOptimised: boolean },
  signal: AbortSignal,
): Promise<FileFrame | undefined> {
  const read = imatrix === undefined ? undefined : await readImatrix(imatrix, signal);
  const model = await openModel(ref);
  try {
    return await frameIfExportable(model, { imatrix: read, isOptimised }, signal);
  } finally {
    await model.close();
  }
}
