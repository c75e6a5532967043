import { evidenceKinds, type MethodPlan } from '../exporter/checkpoint/preview';
import { codesMethod, codesMethodName, expertsOf } from '../exporter/codes/codeFinder';
import {
  encodingMemory,
  estimatedExportSeconds,
  methodMemory,
  ownInputsMemory,
  processMemory,
} from '../exporter/estimates';
import { exportGguf, previewGguf } from '../exporter/exportGguf';
import { isOutput } from '../exporter/codes/optimisedCodes';
import type { ExportTarget } from '../exporter/plan';
import type { Inputs } from '../files/inputs';
import { QuantscopeError } from '../model/errors';
import { matrixOf } from '../model/rows';
import type { Model } from '../model/model';
import type { ExportPreview, Objective } from '../protocol/export';
import { greatestOf } from '../protocol/extremes';
import type {
  QuantizeModelParams,
  QuantizeModelResult,
  QuantizeModelSettings,
  QuantizePreview,
} from '../protocol/quantizeModel';
import type { Recipe } from '../protocol/recipe';
import { plural } from '../protocol/words';
import { said } from '../protocol/said';
import type { EvidenceSource } from '../quant/evidence';
import { codesOptions } from '../recipes/ggufCodes';
import { usualEvidenceTokens } from './evaluation/obtainEvidence';
import { evidenceForCodes } from './evaluation/plannedCodes';
import type { JobContext } from './job';

/** What finds the codes of a recipe for GGUF, where these are optimised. */
export function codesPlan(recipe: Recipe): MethodPlan {
  const { method } = recipe;
  if (recipe.target !== 'gguf' || method?.id !== codesMethod.id) return { recipe, tensors: [] };
  return { recipe, tensors: [{ matrix: { method: codesMethod, options: codesOptions(method) } }] };
}

/** What finds the codes of a recipe that names no text: the latest that is kept, as for other exports; of the inputs alone where no more is, and no objective is named. */
export const keptCodesEvidence = async (
  model: Model,
  recipe: Recipe,
  cacheDir: string | undefined,
): Promise<EvidenceSource | undefined> =>
  cacheDir === undefined || codesPlan(recipe).tensors.length === 0
    ? undefined
    : evidenceForCodes(model, recipe.method?.options?.['objective'] as Objective | undefined, cacheDir);

/** What a recipe for GGUF would do, but for evidence. @throws QuantscopeError as `previewGguf`; UNSUPPORTED for other targets. */
export async function previewExportedRecipe(
  model: Model,
  recipe: Recipe,
  { out, maxShardBytes }: Pick<QuantizeModelSettings, 'maxShardBytes'> & { readonly out?: string },
  { signal, inputs }: Pick<JobContext, 'signal'> & { readonly inputs?: Inputs },
): Promise<Omit<QuantizePreview, 'evidence'>> {
  const preview = await previewGguf(model, targetOf(recipe, maxShardBytes), out, { signal, inputs });
  return described(model, recipe, preview);
}

/**
 * Writes a GGUF file as a recipe says.
 * @param read evidence for optimised codes, and all files that were read, since before it was measured.
 * @throws QuantscopeError as `exportGguf`; UNSUPPORTED for other targets.
 */
export async function exportRecipe(
  model: Model,
  recipe: Recipe,
  { out, maxShardBytes }: QuantizeModelParams,
  read: { readonly evidence: EvidenceSource | undefined; readonly inputs: Inputs },
  { signal, progress }: JobContext,
): Promise<Omit<QuantizeModelResult, 'peakMemory'>> {
  const { evidence } = read;
  const target = targetOf(recipe, maxShardBytes);
  const result = await exportGguf(model, target, out, { ...read, signal, onProgress: progress });
  return {
    ...described(model, recipe, result),
    evidence: { ...evidenceKinds(codesPlan(recipe)), ...(evidence ? { text: evidence.text.path } : {}) },
    ...{ out: result.out, weights: [], seconds: result.seconds },
  };
}

/** @param maxBytes of the data of a part; one part where it is absent. */
function targetOf(recipe: Recipe, maxBytes: number | undefined): ExportTarget {
  const { target, fileType, rules } = recipe;
  if (target !== 'gguf' || fileType === undefined)
    throw new QuantscopeError(
      'UNSUPPORTED',
      said`A recipe for the target "${target}" is not written by this command.`,
    );
  const tensorTypes = rules.flatMap(({ match, grid }) =>
    match !== undefined && grid !== 'keep' && 'ggml' in grid ? [{ pattern: match, type: grid.ggml }] : [],
  );
  return {
    ...{ type: fileType, tensorTypes, allowRequantize: true },
    ...codesOf(recipe),
    ...(maxBytes === undefined ? {} : { split: { kind: 'bytes', value: maxBytes } as const }),
  };
}

/** How the codes of the file are found. */
function codesOf(recipe: Recipe): Pick<ExportTarget, 'codes' | 'objective'> {
  const [chosen] = codesPlan(recipe).tensors;
  if (!chosen?.matrix) return {};
  return { codes: 'optimised', objective: chosen.matrix.options['objective'] as Objective };
}

function described(model: Model, recipe: Recipe, preview: ExportPreview): Omit<QuantizePreview, 'evidence'> {
  const { optimised, files, fileBytes, dataBytes, parameters, bitsPerWeight, warnings } = preview;
  const sizes = new Map(model.description.tensors.map((tensor) => [tensor.name, tensor.byteLength]));
  const tensors = preview.tensors.map(({ name, shape, from, to, bytes, reason, source, cause }) => ({
    ...{ name, shape, from, to, bytes, reason },
    quantized: cause !== 'kept' && cause !== 'computed',
    sourceBytes: sizes.get(source ?? '') ?? 0,
  }));
  return {
    ...{ recipe, tensors, files, fileBytes, dataBytes, parameters, warnings },
    notes: optimised
      ? [
          said`Codes of ${plural(optimised.tensors, 'tensor')} are optimised (${codesMethodName}, objective ${optimised.objective}).`,
        ]
      : [],
    sourceBytes: model.description.dataBytes,
    ...(bitsPerWeight === undefined ? {} : { bitsPerWeight }),
    estimate: {
      seconds: estimatedExportSeconds(tensors) + (optimised?.seconds ?? 0),
      memoryBytes: processMemory + encodingMemory + (optimised ? codesMemory(recipe, preview) : 0),
      diskBytes: fileBytes,
    },
  };
}

/** Of the matrix, or the expert, that takes most. */
function codesMemory(recipe: Recipe, { tensors }: ExportPreview): number {
  const { objective } = codesOf(recipe);
  const tokens = recipe.calibration?.tokens ?? usualEvidenceTokens;
  const matrices = tensors.filter(({ shape }) => shape.length > 1);
  const bytes = matrices.map(({ name, shape }) => {
    const { rows, columns } = matrixOf(shape);
    if (objective === 'two-sided' && isOutput(name)) return ownInputsMemory(tokens, columns);
    return methodMemory(codesMethod, [rows / expertsOf({ shape }), columns], { objective: objective! });
  });
  return greatestOf([0, ...bytes]);
}
