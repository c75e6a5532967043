import { frameIfExportable, loadedModel } from '../exporter/fileFrame';
import { openModel } from '../layouts/openModel';
import { readImatrix } from '../model/imatrix';
import type { LoadedModel } from '../protocol/loadedModel';
import type { ModelRef } from '../protocol/model';
import type { FileFrame } from '../protocol/plan';

/** The exported file of a model besides the tensors that a plan chooses formats for, and the model when it runs where that was asked for. */
interface Exported {
  /** Undefined where the model cannot be exported as GGUF. */
  readonly frame: FileFrame | undefined;
  readonly loaded?: LoadedModel;
}

/**
 * What an exported GGUF file of this model holds besides the tensors that a plan chooses formats for.
 * @param options the importance matrix that weights are encoded with, and whether their codes are optimised.
 * @param runs whether its memory at run time is wanted.
 * @throws QuantscopeError IO or MODEL_FILE for a model or a matrix that cannot be read; where its memory is wanted, also the reason why it cannot be
 * exported.
 */
export async function exportedModel(
  ref: ModelRef,
  { imatrix, isOptimised }: { readonly imatrix?: string | undefined; readonly isOptimised: boolean },
  runs: boolean,
  signal: AbortSignal,
): Promise<Exported> {
  const read = imatrix === undefined ? undefined : await readImatrix(imatrix, signal);
  const encoding = { imatrix: read, isOptimised };
  const model = await openModel(ref);
  try {
    if (!runs) return { frame: await frameIfExportable(model, encoding, signal) };
    const loaded = await loadedModel(model, encoding, signal);
    return { frame: loaded.frame, loaded };
  } finally {
    await model.close();
  }
}
