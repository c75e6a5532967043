import { withThreads } from '../../graph/threads';
import { describeRecipe } from '../../recipes/describeRecipe';
import { describeRecipeMethods } from '../../recipes/ggufCodes';
import { presets } from '../../recipes/presets';
import { checkRecipe } from '../../recipes/checkRecipe';
import { explained, readRecipeFile } from '../../recipes/readRecipe';
import { resolveRecipe } from '../../recipes/resolveRecipe';
import { writers } from '../../recipes/writers';
import { checkOutput } from '../checkOutput';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { previewQuantization, quantizeModel } from '../quantizeModel';

const settingKinds = {
  ...modelKinds,
  recipe: 'string?',
  recipeFile: 'path?',
  recipeText: 'text?',
  inline: 'record?',
  changes: 'record?',
  maxShardBytes: 'count?',
  overwrite: 'boolean?',
  cacheDir: 'path?',
} as const;

/** What recipes can be made of. */
export function recipesJob(): Job<'recipes/list'> {
  return () =>
    Promise.resolve({
      recipes: presets.map(describeRecipe),
      methods: describeRecipeMethods(),
      layouts: writers.map(({ id, label, runtimes }) => ({ id, label, runtimes })),
    });
}

/** A recipe file, checked. */
export function readRecipeJob(): Job<'recipes/read'> {
  return async (params, { signal }) => {
    checkParams('recipes/read', params, { file: 'path' });
    const recipe = await readRecipeFile(params.file, signal);
    explained(() => checkRecipe(recipe), params.file);
    return recipe;
  };
}

/** Dry run. */
export function previewQuantizeJob(models: OpenModels): Job<'model/quantizePreview'> {
  return async (params, context) => {
    checkParams('model/quantizePreview', params, { ...settingKinds, out: 'path?' });
    const recipe = await resolveRecipe(params, context.signal);
    return models.use(params, context.signal, (model) => previewQuantization(model, recipe, params, context));
  };
}

/** Dry run of the output alone. */
export function checkOutputJob(models: OpenModels): Job<'model/checkOutput'> {
  return (params, { signal }) => {
    checkParams('model/checkOutput', params, { ...modelKinds, out: 'path', target: 'string' });
    return models.use(params, signal, (model) => checkOutput(model, params.out, params.target));
  };
}

export function quantizeModelJob(models: OpenModels): Job<'model/quantize'> {
  return async (params, context) => {
    checkParams('model/quantize', params, {
      ...{ ...settingKinds, out: 'path', device: 'device?', threads: 'count?' },
    });
    const recipe = await resolveRecipe(params, context.signal);
    return withThreads(params.threads, () =>
      models.use(params, context.signal, (model) => quantizeModel(model, recipe, params, context)),
    );
  };
}
