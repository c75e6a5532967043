import { ErrorMapMeter } from '../../analysis/errorMap';
import type { KnownInputs } from '../../exporter/layer/knownInputs';
import { layerTarget } from '../../exporter/layer/layerTarget';
import { tensorLens } from '../../exporter/layer/lens';
import { lensGrids, usualRecipes } from '../../exporter/layer/lensRecipes';
import { mapErrors } from '../../exporter/layer/lensRows';
import { refusalOf } from '../../exporter/layer/refusal';
import { QuantscopeError } from '../../model/errors';
import { contentKey } from '../../model/identity';
import type { Model } from '../../model/model';
import { matrixOf } from '../../model/rows';
import type { LensParams, LensRecipe } from '../../protocol/lens';
import type { MethodOptions } from '../../protocol/recipe';
import { describeMethods, methodById } from '../../quant/methods/methods';
import { checkedOptions } from '../../quant/methods/options';
import { latestEvidence, storedEvidence } from '../evaluation/obtainEvidence';
import { checkParams, modelKinds, type Job } from '../job';
import { LensRows } from '../lensRows';
import type { OpenModels } from '../models';

/** What a tensor can be quantized with. */
export function methodChoicesJob(): Job<'methods/list'> {
  return () => Promise.resolve({ methods: describeMethods(), grids: lensGrids(), usual: usualRecipes() });
}

export function lensJob(models: OpenModels): Job<'tensor/lens'> {
  const rows = new LensRows();
  return (params, { signal, progress }) => {
    checkParams('tensor/lens', params, {
      ...{ ...modelKinds, tensor: 'string', recipes: 'recipes', options: 'record?', cacheDir: 'path?' },
    });
    const { tensor, recipes, options = {} } = params;
    const choices = recipes.map(({ grid, method }) => ({
      target: layerTarget(grid),
      method: methodById(method),
    }));
    Object.keys(options).forEach(methodById);
    return models.useUnchanged(params, signal, async (model) => {
      const known = await knownInputs(model, params.cacheDir);
      const keyOf = rowKey(model, params, known);
      let [done, total] = [0, 1];
      const tell = (lens?: NonNullable<Parameters<typeof progress>[0]['lens']>): void =>
        progress({ message: tensor, done, total, ...(lens ? { lens } : {}) });
      return tensorLens(model, model.tensor(tensor), choices, {
        ...{ known, options, signal },
        kept: (recipe) => rows.get(keyOf(recipe)),
        onFacts: (facts) => tell({ facts, rows: [] }),
        onRow: (row) => {
          rows.set(keyOf(row), row);
          tell({ rows: [row] });
        },
        onProgress(weights, all) {
          [done, total] = [weights, all];
          tell();
        },
      });
    });
  };
}

/** All that a row depends on: model, tensor, recipe with its options, and what is known of the inputs. */
function rowKey(
  { description }: Model,
  { tensor, options = {}, alone, adapters }: LensParams,
  known: KnownInputs | undefined,
): (recipe: LensRecipe) => string {
  const evidence = known && [known.source.text.hash, known.stored.tokens, known.stored.kinds];
  const shared = [contentKey(description), alone === true, adapters ?? [], tensor, evidence ?? null];
  return ({ grid, method }) => JSON.stringify([...shared, grid, method, options[method] ?? {}]);
}

/** Where a recipe changes a tensor. */
export function errorMapJob(models: OpenModels): Job<'tensor/errorMap'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/errorMap', params, {
      ...{ ...modelKinds, tensor: 'string', grid: 'string', method: 'string' },
      ...{ options: 'record?', cacheDir: 'path?' },
    });
    return models.use(params, signal, async (model) => {
      const { known, ...layer } = await layerOf(model, params);
      const map = new ErrorMapMeter(matrixOf(layer.tensor.shape));
      let done = 0;
      const onWeights = (weights: number): void =>
        progress({ message: params.tensor, done: (done += weights), total: layer.tensor.elements });
      await mapErrors({ model, ...layer, evidence: known?.source, signal, onWeights }, map);
      return map.finish();
    });
  };
}

/** A layer by one recipe. @throws QuantscopeError REQUEST where the recipe cannot be applied. */
export async function layerOf(
  model: Model,
  request: LensRecipe & {
    readonly tensor: string;
    readonly options?: MethodOptions;
    readonly cacheDir?: string;
  },
) {
  const [target, method] = [layerTarget(request.grid), methodById(request.method)];
  const tensor = model.tensor(request.tensor);
  const options = checkedOptions(method, request.options);
  const refused = refusalOf({ method, target, tensor, options });
  if (refused !== undefined)
    throw new QuantscopeError('REQUEST', refused, { file: tensor.file, tensor: tensor.name });
  return { tensor, target, method, options, known: await knownInputs(model, request.cacheDir) };
}

/** What an earlier calibration of the model measured. */
async function knownInputs(model: Model, cacheDir: string | undefined): Promise<KnownInputs | undefined> {
  const stored = cacheDir === undefined ? undefined : await storedEvidence(model, cacheDir);
  const source = stored && (await latestEvidence(model, stored.kinds, cacheDir!));
  return source && { stored, source };
}
