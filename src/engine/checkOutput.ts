import { outputFolder } from '../exporter/checkpoint/outputFolder';
import { findFolderTarget } from '../files/folderTarget';
import { inputsOf } from '../files/inputs';
import { statIfPresent } from '../files/target';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import type { OutputCheck } from '../protocol/quantizeModel';
import type { Recipe } from '../protocol/recipe';

/** Whether the result of a recipe can be written to a folder, or to a file where it is GGUF; writes nothing. */
export async function checkOutput(
  { description }: Model,
  out: string,
  target: Recipe['target'],
): Promise<OutputCheck> {
  try {
    if (target === 'checkpoint') await outputFolder(out, description, true);
    else if (target === 'onnx') await findFolderTarget(out, description);
    else await (await inputsOf(description)).check([out]);
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return { problem: error.message };
    throw error;
  }
  return (await statIfPresent(out)) ? { replaces: true } : {};
}
