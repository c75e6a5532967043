import { exportedFile, type ExportedFile, type FileEncoding } from '../engine/recommendation/exportedFile';
import { openModel } from '../layouts/openModel';
import type { ModelRef } from '../protocol/model';

/** The same as `exportedFile` of a model that is opened for it. */
export async function exportedModel(
  ref: ModelRef,
  encoding: FileEncoding,
  runs: boolean,
  signal: AbortSignal,
): Promise<ExportedFile> {
  const model = await openModel(ref);
  try {
    return await exportedFile(model, encoding, runs, signal);
  } finally {
    await model.close();
  }
}
