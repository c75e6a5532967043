import { resolve } from 'node:path';
import { peakMemory, resetPeakMemory } from '../evaluation/measures';
import { planCheckpoint } from '../exporter/checkpoint/plan';
import { evidenceKinds, neededEvidence, previewPlan, type MethodPlan } from '../exporter/checkpoint/preview';
import { outputFolder } from '../exporter/checkpoint/outputFolder';
import { checkedFolder, writeCheckpoint } from '../exporter/checkpoint/writeCheckpoint';
import { inputsOf, type Inputs } from '../files/inputs';
import { QuantscopeError } from '../model/errors';
import type { Model } from '../model/model';
import type { EngineRequests } from '../protocol/engine';
import type { QuantizeModelParams, QuantizeModelResult, QuantizePreview } from '../protocol/quantizeModel';
import type { Recipe } from '../protocol/recipe';
import { said } from '../protocol/said';
import type { EvidenceSource } from '../quant/evidence';
import type { JobContext } from './job';
import { evidenceFor, keptEvidence, missingEvidence, prepareRecipe } from './prepareRecipe';
import { codesPlan, exportRecipe, keptCodesEvidence, previewExportedRecipe } from './recipeExport';
import { exportOnnxRecipe, planOnnxRecipe, previewOnnxRecipe } from './recipeOnnx';

type PreviewParams = EngineRequests['model/quantizePreview']['params'];

/** What a recipe would do to a model: reads headers only. @throws QuantscopeError as `quantizeModel` but for weights. */
export async function previewQuantization(
  model: Model,
  recipe: Recipe,
  params: PreviewParams,
  context: JobContext,
): Promise<QuantizePreview> {
  const { out, overwrite, cacheDir, maxShardBytes } = params;
  if (recipe.target === 'onnx') {
    refuseShards(maxShardBytes);
    const plan = await planOnnxRecipe(model, recipe);
    const preview = await previewOnnxRecipe(model, plan, out, context);
    return { ...preview, evidence: await evidencePreview(model, plan, cacheDir) };
  }
  if (recipe.target !== 'checkpoint') {
    const preview = await previewExportedRecipe(model, recipe, params, context);
    const kept = await keptCodesEvidence(model, recipe, cacheDir);
    return { ...preview, evidence: await evidencePreview(model, codesPlan(recipe), cacheDir, kept) };
  }
  const plan = planCheckpoint(model, recipe, maxShardBytes);
  if (out !== undefined) await outputFolder(out, model.description, overwrite);
  const evidence = await evidencePreview(model, plan, cacheDir);
  return { ...previewPlan(plan, model.description.dataBytes), evidence };
}

/**
 * Quantizes a model as a recipe says.
 * @throws QuantscopeError REQUEST where evidence is missing, saying how to give it, or for a target that must not be replaced; UNSUPPORTED,
 * MODEL_FILE, IO, CANCELLED: then nothing is left.
 */
export async function quantizeModel(
  model: Model,
  recipe: Recipe,
  params: QuantizeModelParams,
  context: JobContext,
): Promise<QuantizeModelResult> {
  resetPeakMemory();
  const result = await quantized(model, recipe, params, context);
  return { ...result, peakMemory: peakMemory() };
}

async function quantized(
  model: Model,
  recipe: Recipe,
  params: QuantizeModelParams,
  context: JobContext,
): Promise<Omit<QuantizeModelResult, 'peakMemory'>> {
  const start = performance.now();
  if (recipe.target === 'onnx') {
    refuseShards(params.maxShardBytes);
    const plan = await planOnnxRecipe(model, recipe);
    const inputs = await inputsOfRecipe(model, recipe, params);
    await previewOnnxRecipe(model, plan, params.out, { ...context, inputs }); // rejects the output before minutes of calibration
    const evidence = await evidenceFor(model, plan, params, context);
    await inputs.add(evidence?.text.path); // that of an earlier run, too
    return exportOnnxRecipe(model, plan, params, { evidence, inputs }, context);
  }
  if (recipe.target !== 'checkpoint') {
    const inputs = await inputsOfRecipe(model, recipe, params);
    await previewExportedRecipe(model, recipe, params, { ...context, inputs }); // as above
    const hasText = recipe.calibration?.text !== undefined;
    const kept = hasText ? undefined : await keptCodesEvidence(model, recipe, params.cacheDir);
    const evidence = kept ?? (await evidenceFor(model, codesPlan(recipe), params, context));
    await inputs.add(evidence?.text.path);
    return exportRecipe(model, recipe, params, { evidence, inputs }, context);
  }
  const plan = planCheckpoint(model, recipe, params.maxShardBytes);
  await checkedFolder(model, plan, params.out, params.overwrite);
  const { evidence, transforms } = await prepareRecipe(model, plan, params, context);
  const written = await writeCheckpoint(model, plan, params.out, {
    ...{ overwrite: params.overwrite, evidence, transforms },
    ...{ signal: context.signal, onProgress: context.progress },
    alsoRead: [params.recipeFile, evidence?.text.path],
  });
  const preview = previewPlan(plan, model.description.dataBytes);
  return {
    ...preview,
    ...written,
    evidence: {
      ...evidenceKinds(plan),
      ...(evidence ? { text: evidence.text.path } : {}),
    },
    notes: [...preview.notes, ...(evidence?.notes ?? []), ...written.notes],
    seconds: (performance.now() - start) / 1000,
  };
}

/** All files that a recipe reads of a model. */
const inputsOfRecipe = (
  { description }: Model,
  { calibration }: Recipe,
  { recipeFile }: QuantizeModelParams,
): Promise<Inputs> => {
  const text = calibration?.text;
  return inputsOf(description, recipeFile, text === undefined ? undefined : resolve(text));
};

/** @throws QuantscopeError REQUEST for a size of shards, which ONNX files do not have. */
function refuseShards(maxShardBytes: number | undefined): void {
  if (maxShardBytes === undefined) return;
  throw new QuantscopeError(
    'REQUEST',
    said`The weights of an ONNX model are one file; it is not cut into shards.`,
  );
}

async function evidencePreview(
  model: Model,
  plan: MethodPlan,
  cacheDir: string | undefined,
  known?: EvidenceSource,
): Promise<QuantizePreview['evidence']> {
  const needs = neededEvidence(plan);
  const kinds = evidenceKinds(plan);
  if (needs.length === 0) return kinds;
  const kept = known ?? (await keptEvidence(model, needs, cacheDir));
  const text = plan.recipe.calibration?.text ?? kept?.text.path;
  return text === undefined ? { ...kinds, missing: missingEvidence(plan, kinds.kind) } : { ...kinds, text };
}
