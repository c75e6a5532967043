import { ggufView } from '../../architectures/ggufView';
import { sourcesOf } from '../../architectures/convertedTensor';
import { planRecipe, type RecipePlan } from '../../exporter/checkpoint/plan';
import { plannedModel } from '../../exporter/checkpoint/plannedModel';
import type { RoundInputs } from '../../graph/transformer/graphSources';
import type { ActivationRounding } from '../../graph/transformer/rounding';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { greatestOf } from '../../protocol/extremes';
import type { RecipeSelection } from '../../protocol/quantizeModel';
import type { Recipe } from '../../protocol/recipe';
import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import { methodAlgorithm } from '../../quant/algorithms';
import type { EvidenceSource } from '../../quant/evidence';
import { resolveRecipe } from '../../recipes/resolveRecipe';
import type { JobContext } from '../job';
import { prepareRecipe, type PreparedRecipe, type PrepareOptions } from '../prepareRecipe';
import type { PlannedVariant } from './plannedVariant';

/** A model as a recipe changes it, before anything is written. */
export interface RecipeVariant extends Omit<PlannedVariant, 'changes'> {
  readonly model: Model;
  readonly roundInputs: RoundInputs;
}

/**
 * What a recipe for checkpoints makes of a model: weights with all transforms, and rounding of inputs where the recipe has it.
 * @throws QuantscopeError REQUEST where evidence is missing; UNSUPPORTED for a model that the recipe cannot be applied to; CANCELLED.
 */
export async function recipeVariant(
  model: Model,
  selection: RecipeSelection,
  options: PrepareOptions,
  context: JobContext,
): Promise<RecipeVariant> {
  const recipe = await resolveRecipe(selection, context.signal);
  if (recipe.target === 'checkpoint')
    return variantOf(model, planRecipe(model, recipe), options, context, labelOf(recipe, selection));
  const hint = recipe.fileType === undefined ? '' : said`; evaluate the file type ${recipe.fileType} instead`;
  throw new QuantscopeError('REQUEST', said`The recipe ${recipe.id} does not make a checkpoint${hint}.`);
}

export async function variantOf(
  model: Model,
  plan: RecipePlan,
  options: PrepareOptions,
  context: JobContext,
  label = plan.recipe.id,
): Promise<RecipeVariant> {
  const prepared = await prepareRecipe(model, plan, options, context);
  const { tensors } = plan;
  const methods = tensors.flatMap(({ matrix }) => (matrix ? [methodAlgorithm(matrix.method.id)] : []));
  return {
    label,
    bytes: tensors.reduce((sum, { bytes }) => sum + bytes, 0),
    parameters: tensors.reduce((sum, { tensor }) => sum + tensor.elements, 0),
    algorithms: [...new Set(['grids', ...methods])],
    model: plannedModel(model, plan, { ...prepared, signal: context.signal }),
    roundInputs: await roundingOf(model, plan, prepared, context.signal),
  };
}

/** "gptq-int4-g128", with what was changed in brackets. */
function labelOf({ id }: Recipe, { changes = {} }: RecipeSelection): string {
  const visible = Object.entries(changes).filter(([name]) => name !== 'calibration');
  const texts = visible.map(([name, value]) => `${name} ${textOf(value)}`);
  return texts.length === 0 ? id : `${id} (${texts.join(', ')})`;
}

const textOf = (value: unknown): string => (typeof value === 'string' ? value : JSON.stringify(value));

/**
 * How the inputs of quantized matrices are rounded, by the matrix's name in GGUF. Fixed scales of merged experts are one for all of them, so
 * that no input is cut off.
 */
async function roundingOf(
  model: Model,
  { recipe: { activations }, tensors }: RecipePlan,
  { evidence }: PreparedRecipe,
  signal: AbortSignal,
): Promise<RoundInputs> {
  if (!activations) return false;
  const quantized = new Set(tensors.flatMap(({ tensor, matrix }) => (matrix ? [tensor.name] : [])));
  const found = new Map<string, ActivationRounding>();
  for (const converted of (await ggufView(model)).tensors) {
    const sources = sourcesOf(converted).filter(({ name }) => quantized.has(name));
    if (sources.length === 0) continue;
    const largest =
      activations.scale === 'static' && evidence ? await largestInput(sources, evidence, signal) : undefined;
    found.set(converted.name, { ...activations, ...(largest === undefined ? {} : { largest }) });
  }
  return (tensor) => found.get(tensor);
}

/** The largest magnitude of the inputs of some tensors; undefined where they were not measured. */
async function largestInput(
  tensors: readonly TensorDescriptor[],
  evidence: EvidenceSource,
  signal: AbortSignal,
): Promise<number | undefined> {
  const found: number[] = [];
  for (const { name } of tensors) {
    const { largest } = await evidence.for(name, 'importance', { signal });
    if (largest) found.push(greatestOf(largest));
  }
  return found.length > 0 ? greatestOf(found) : undefined;
}
