import { frameIfExportable, loadedModel } from '../../exporter/fileFrame';
import { readImatrix } from '../../model/imatrix';
import type { Model } from '../../model/model';
import type { LoadedModel } from '../../protocol/loadedModel';
import type { FileFrame } from '../../protocol/fileFrame';

/** The exported file of a model besides the tensors that a plan chooses formats for, and the model when it runs where that was asked for. */
export interface ExportedFile {
  /** Undefined where the model cannot be exported as GGUF. */
  readonly frame: FileFrame | undefined;
  readonly loaded?: LoadedModel;
}

/** How weights of an exported file are encoded. */
export interface FileEncoding {
  /** File of the importance matrix. */
  readonly imatrix?: string | undefined;
  readonly isOptimised: boolean;
}

/**
 * What an exported GGUF file of this model holds besides the tensors that a plan chooses formats for.
 * @param runs whether its memory at run time is wanted.
 * @throws QuantscopeError IO or MODEL_FILE for a model or a matrix that cannot be read; where its memory is wanted, also the reason why it cannot be
 * exported.
 */
export async function exportedFile(
  model: Model,
  { imatrix, isOptimised }: FileEncoding,
  runs: boolean,
  signal: AbortSignal,
): Promise<ExportedFile> {
  const read = imatrix === undefined ? undefined : await readImatrix(imatrix, signal);
  const encoding = { imatrix: read, isOptimised };
  if (!runs) return { frame: await frameIfExportable(model, encoding, signal) };
  const loaded = await loadedModel(model, encoding, signal);
  return { frame: loaded.frame, loaded };
}
