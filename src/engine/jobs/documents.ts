import { planFormats } from '../../ampq/bindPlan';
import { checkPlanText } from '../../ampq/planText/checkPlan';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { JsonDocument } from '../../model/jsonDocument';
import { documentKind, type DocumentCheck } from '../../protocol/documentCheck';
import { said } from '../../protocol/said';
import { checkRecipeText } from '../../recipes/recipeText';
import { NearbyModels } from '../documents/nearbyModels';
import { recipeOnModel } from '../documents/recipeOnModel';
import { WrittenText } from '../documents/writtenText';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';

/** Plans and recipes as texts, while they are written. */
export function documentJob(models: OpenModels): Job<'document/check'> {
  const nearby = new NearbyModels(models);
  const written = new WrittenText();
  return async (params, { signal }) => {
    checkParams('document/check', params, { text: 'text', file: 'path', paths: 'paths' });
    const { text, file, paths } = params;
    const kind = documentKind(file);
    if (kind === undefined)
      throw new QuantscopeError(
        'REQUEST',
        said`The file is neither a plan (.ampq.json) nor a recipe (.recipe.json).`,
        { file },
      );
    // Of several checks that came while the process was at work, those that were cancelled do not start.
    await new Promise((resolve) => setImmediate(resolve));
    throwIfCancelled(signal);
    return checks[kind](() => written.of(file, text), paths, nearby, signal);
  };
}

/** `read`: the text as it was parsed; another check may change that whenever this one waits. */
const checks: Readonly<
  Record<
    NonNullable<ReturnType<typeof documentKind>>,
    (
      read: () => JsonDocument,
      paths: readonly string[],
      nearby: NearbyModels,
      signal: AbortSignal,
    ) => Promise<DocumentCheck>
  >
> = { plan: checkPlan, recipe: checkRecipe };

async function checkPlan(
  read: () => JsonDocument,
  paths: readonly string[],
  nearby: NearbyModels,
  signal: AbortSignal,
): Promise<DocumentCheck> {
  const hash = read().valueAt('model', 'hash'); // a plan need not be whole for that
  const found = typeof hash !== 'string' ? { others: [] } : await nearby.withHash(hash, paths, signal);
  if ('others' in found)
    return { ...checkPlanText(read(), undefined, found.others), names: [], formats: planFormats };
  const { path, model } = found;
  return {
    ...checkPlanText(read(), model),
    model: { path, name: model.name },
    names: [...model.byName.keys()],
    sources: model.sources,
    formats: planFormats,
  };
}

async function checkRecipe(
  read: () => JsonDocument,
  paths: readonly string[],
  nearby: NearbyModels,
  signal: AbortSignal,
): Promise<DocumentCheck> {
  const { recipe, faults } = checkRecipeText(read());
  const own = await nearby.first(paths, signal, (model, path) => ({
    ...(recipe && faults.length === 0 ? recipeOnModel(read(), recipe, model) : { faults: [], hints: [] }),
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
