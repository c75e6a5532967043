import { planFormats } from '../../ampq/bindPlan';
import { checkPlanText } from '../../ampq/planText/checkPlan';
import { QuantscopeError } from '../../model/errors';
import { JsonDocument } from '../../model/jsonDocument';
import { documentKind, type DocumentCheck } from '../../protocol/documentCheck';
import { checkRecipeText } from '../../recipes/recipeText';
import { NearbyModels } from '../documents/nearbyModels';
import { recipeOnModel } from '../documents/recipeOnModel';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';

/** Plans and recipes as texts, while they are written. */
export function documentJob(models: OpenModels): Job<'document/check'> {
  const nearby = new NearbyModels(models);
  return (params, { signal }) => {
    checkParams('document/check', params, { text: 'text', file: 'path', paths: 'paths' });
    const { text, file, paths } = params;
    const kind = documentKind(file);
    if (kind === undefined)
      throw new QuantscopeError(
        'REQUEST',
        'The file is neither a plan (.ampq.json) nor a recipe (.recipe.json).',
        {
          file,
        },
      );
    return checks[kind](text, paths, nearby, signal);
  };
}

const checks: Readonly<
  Record<
    NonNullable<ReturnType<typeof documentKind>>,
    (
      text: string,
      paths: readonly string[],
      nearby: NearbyModels,
      signal: AbortSignal,
    ) => Promise<DocumentCheck>
  >
> = { plan: checkPlan, recipe: checkRecipe };

async function checkPlan(
  text: string,
  paths: readonly string[],
  nearby: NearbyModels,
  signal: AbortSignal,
): Promise<DocumentCheck> {
  const hash = planHash(text);
  const found = hash === undefined ? { others: [] } : await nearby.withHash(hash, paths, signal);
  if ('others' in found)
    return { ...checkPlanText(text, undefined, found.others), names: [], formats: planFormats };
  const { path, model } = found;
  return {
    ...checkPlanText(text, model),
    model: { path, name: model.name },
    names: model.candidates.tensors.map(({ converted }) => converted.name),
    formats: planFormats,
  };
}

/** The hash of the model that a text names, which a plan need not be whole for. */
const planHash = (text: string): string | undefined => {
  const hash = new JsonDocument(text).valueAt('model', 'hash');
  return typeof hash === 'string' ? hash : undefined;
};

async function checkRecipe(
  text: string,
  paths: readonly string[],
  nearby: NearbyModels,
  signal: AbortSignal,
): Promise<DocumentCheck> {
  const { json, recipe, faults } = checkRecipeText(text);
  const own = await nearby.first(paths, signal, (model, path) => ({
    ...(recipe && faults.length === 0 ? recipeOnModel(json, recipe, model) : { faults: [], hints: [] }),
    model: { path, name: model.description.name },
    names: model.description.tensors.map(({ name }) => name),
  }));
  return {
    faults: [...faults, ...(own?.faults ?? [])].sort((a, b) => a.start - b.start),
    hints: own?.hints ?? [],
    ...(own ? { model: own.model } : {}),
    names: own?.names ?? [],
    formats: planFormats,
  };
}
