import { encodingMemory, estimatedExportSeconds, processMemory } from '../exporter/estimates';
import { exportGguf, previewGguf } from '../exporter/exportGguf';
import type { ExportTarget } from '../exporter/plan';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import type { ExportPreview } from '../protocol/export';
import type {
  QuantizeModelParams,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
} from '../protocol/quantizeModel';
import type { Recipe } from '../protocol/recipe';
import type { JobContext } from './job';

/** What a recipe for GGUF would do. @throws QuantscopeError as `previewGguf`; UNSUPPORTED for other targets. */
export async function previewExportedRecipe(
  model: Model,
  recipe: Recipe,
  { out, maxShardBytes }: Pick<QuantizeModelSettings, 'maxShardBytes'> & { readonly out?: string },
  { signal }: JobContext,
): Promise<QuantizePreview> {
  const preview = await previewGguf(model, targetOf(recipe, maxShardBytes), out, { signal });
  return described(model, recipe, preview);
}

/** Writes a GGUF file as a recipe says. @throws QuantscopeError as `exportGguf`; UNSUPPORTED for other targets. */
export async function exportRecipe(
  model: Model,
  recipe: Recipe,
  { out, maxShardBytes, recipeFile }: QuantizeModelParams,
  { signal, progress }: JobContext,
): Promise<Omit<QuantizeModelResult, 'peakMemory'>> {
  const result = await exportGguf(model, targetOf(recipe, maxShardBytes), out, {
    ...{ signal, onProgress: progress },
    alsoRead: [recipeFile],
  });
  return { ...described(model, recipe, result), out: result.out, weights: [], seconds: result.seconds };
}

/** @param maxBytes of the data of a part; one part where it is absent. */
function targetOf({ target, fileType, rules }: Recipe, maxBytes: number | undefined): ExportTarget {
  if (target !== 'gguf' || fileType === undefined)
    throw new QuantscopeError(
      'UNSUPPORTED',
      `A recipe for the target "${target}" is not written by this command.`,
    );
  const tensorTypes = rules.flatMap(({ match, grid }) =>
    match !== undefined && grid !== 'keep' && 'ggml' in grid ? [{ pattern: match, type: grid.ggml }] : [],
  );
  return {
    ...{ type: fileType, tensorTypes, allowRequantize: true },
    ...(maxBytes === undefined ? {} : { split: { kind: 'bytes', value: maxBytes } as const }),
  };
}

function described(model: Model, recipe: Recipe, preview: ExportPreview): QuantizePreview {
  const { files, fileBytes, dataBytes, parameters, bitsPerWeight, warnings } = preview;
  const sizes = new Map(model.description.tensors.map((tensor) => [tensor.name, tensor.byteLength]));
  const tensors = preview.tensors.map(({ name, shape, from, to, bytes, reason, source, cause }) => ({
    ...{ name, shape, from, to, bytes, reason },
    quantized: cause !== 'kept' && cause !== 'computed',
    sourceBytes: sizes.get(source ?? '') ?? 0,
  }));
  return {
    ...{ recipe, tensors, files, fileBytes, dataBytes, parameters, warnings, notes: [] },
    sourceBytes: model.description.dataBytes,
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    evidence: { kind: 'none', usable: 'none' },
    estimate: {
      seconds: estimatedExportSeconds(tensors),
      ...{ memoryBytes: processMemory + encodingMemory, diskBytes: fileBytes },
    },
  };
}
