import { basename } from 'node:path';
import { bindPlan } from '../../ampq/bindPlan';
import { parsePlan } from '../../ampq/planFile';
import { sourceDtype } from '../../architectures/convertedTensor';
import { ggufView } from '../../architectures/ggufView';
import { CodeFinder, codesAlgorithms, objectiveOver } from '../../exporter/codes/codeFinder';
import { planWeights, type WeightTarget } from '../../exporter/plan';
import { candidatesOf } from '../../exporter/plan/candidates';
import type { WeightChange } from '../../graph/transformer/weights';
import { QuantscopeError } from '../../model/errors';
import { readImatrix } from '../../model/imatrix';
import { parseJsonBytes, readJsonFile } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import type { EvaluationSettings, WeightVariant } from '../../protocol/evaluation';
import type { Plan } from '../../protocol/plan';
import { said } from '../../protocol/said';
import { formatById } from '../../quant/catalogue';
import type { JobContext } from '../job';
import type { PrepareOptions } from '../prepareRecipe';
import { evidenceOfPlan } from './plannedCodes';
import { weightChange, type PlannedVariant } from './plannedVariant';
import { recipeVariant } from './recipeVariant';

/** A variant of the weights, and what a run says of how it is made. */
type VariantSettings = WeightVariant &
  PrepareOptions &
  Pick<EvaluationSettings, 'imatrix' | 'roundActivations'>;

/**
 * The changes that a variant makes.
 * @throws QuantscopeError REQUEST for more than one variant, settings that a recipe has of its own, an unknown format or type, or a plan of
 * another model.
 */
export async function planVariant(
  model: Model,
  variant: VariantSettings,
  context: JobContext,
): Promise<PlannedVariant> {
  const { planFile, type, format, recipe } = variant;
  refuseContradictions(variant);
  if (recipe) return { changes: new Map(), ...(await recipeVariant(model, recipe, variant, context)) };
  const options = {
    allowRequantize: true,
    ...(variant.imatrix === undefined ? {} : { imatrix: await readImatrix(variant.imatrix, context.signal) }),
  };
  if (type !== undefined) return quantizedVariant(model, { type, ...options });
  if (format !== undefined)
    return quantizedVariant(model, { format: formatById(format), ...options }, formatById(format).id);
  if (planFile === undefined) return original(model);
  const plan = await readPlan(planFile);
  const { codes } = plan;
  const evidence = codes && (await evidenceOfPlan(model, codes, variant.cacheDir));
  const finder =
    evidence && new CodeFinder(evidence, objectiveOver(evidence, codes.objective), context.signal);
  return quantizedVariant(model, { plan, ...options }, basename(planFile), finder);
}

/** @throws QuantscopeError REQUEST for settings of which only one can be followed. */
function refuseContradictions(variant: VariantSettings): void {
  const { planFile, type, format, recipe, imatrix, roundActivations } = variant;
  const refuse = (message: string): QuantscopeError => new QuantscopeError('REQUEST', message);
  if ([planFile, type, format, recipe].filter((item) => item !== undefined).length > 1)
    throw refuse(said`Name a plan, a file type, a format or a recipe, not several of them.`);
  if (!recipe) return;
  if (roundActivations)
    throw refuse(
      said`A recipe says itself how activations are rounded; they cannot be rounded as llama.cpp does, too.`,
    );
  if (imatrix !== undefined)
    throw refuse(said`A recipe measures its evidence itself; an importance matrix is not used with it.`);
}

/** As an export would store each tensor. @param label the file type's name when absent. @param finder of optimised codes. */
export async function quantizedVariant(
  model: Model,
  target: WeightTarget,
  label?: string,
  finder?: CodeFinder,
): Promise<PlannedVariant> {
  const { tensors, fileType, dataBytes, parameters } = await planWeights(model, {
    ...target,
    ...(finder ? { codes: 'optimised' } : {}),
  });
  const changes = new Map<string, WeightChange>();
  for (const { name, to, converted, importance } of tensors) {
    if (!converted || to === 'F32' || sourceDtype(converted) === to) continue;
    changes.set(name, weightChange(converted, to, { importance, finder }));
  }
  const formats = new Set([...changes.values()].map(({ format }) => format.id));
  const algorithms = [...formats, ...(finder ? codesAlgorithms(finder.objective) : [])];
  return {
    ...{ label: label ?? fileType.name, changes, algorithms, bytes: dataBytes, parameters },
    ...(finder ? { objective: finder.objective } : {}),
  };
}

/** Unchanged, in as many bytes as the model's files have for these tensors. */
async function original(model: Model): Promise<PlannedVariant> {
  let [bytes, parameters] = [0, 0];
  for (const { pieces, columns } of (await ggufView(model)).tensors) {
    for (const { tensor, rows } of pieces) {
      if (tensor.elements === 0) continue;
      bytes += (tensor.byteLength / tensor.elements) * rows * columns;
      parameters += rows * columns;
    }
  }
  return { label: 'original', changes: new Map(), algorithms: [], bytes, parameters };
}

/** @throws QuantscopeError IO, or MODEL_FILE saying what is wrong and where when it is not a plan. */
export async function readPlan(file: string): Promise<Plan> {
  return parsePlan((await readJsonFile(file)).value, file);
}

/**
 * The plan of a file applied to a model: sizes and totals are recomputed.
 * @param text what counts instead of the text in the file. @throws as `readPlan` and `bindPlan`.
 */
export async function readPlanFor(model: Model, file: string, text?: string): Promise<Plan> {
  const plan =
    text === undefined ? await readPlan(file) : parsePlan(parseJsonBytes(Buffer.from(text), file), file);
  return bindPlan(plan, model.description, await candidatesOf(model), file);
}
