import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { modelHash } from '../../model/identity';
import { locateModel } from '../../model/locateModel';
import type { Model } from '../../model/openModel';
import type { LocatedModel } from '../../protocol/model';
import { assignmentOf, rowOf, type Plan } from '../../protocol/plan';
import { readPlan, readPlanFor } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { TensorIndex } from '../tensorIndex';
import { readStoredTable } from './sensitivity';

/** Plan files of a folder that are read to find the one of a model. */
const maxPlans = 32;

/** The models that paths lead to. */
export function locateJob(): Job<'model/locate'> {
  return async (params, { signal }) => {
    checkParams('model/locate', params, { paths: 'paths' });
    const located: LocatedModel[] = [];
    const covered = new Set<string>();
    for (const path of params.paths) {
      throwIfCancelled(signal);
      if (covered.has(path)) continue;
      const model = await locateModel(path).catch(skip);
      if (!model || covered.has(model.file)) continue;
      for (const file of [model.file, ...model.files]) covered.add(file);
      located.push(model);
    }
    return located;
  };
}

/** A path that is not a model is left out; anything else is a bug. */
function skip(error: unknown): undefined {
  if (!(error instanceof QuantscopeError)) throw error;
  return undefined;
}

export function findTensorsJob(models: OpenModels): Job<'tensor/find'> {
  const index = new TensorIndex(models);
  return (params, { signal }) => {
    checkParams('tensor/find', params, { paths: 'paths', names: 'strings' });
    return index.find(params.paths, params.names, signal);
  };
}

export function suggestionJob(models: OpenModels): Job<'tensor/suggestion'> {
  return (params, { signal }) => {
    checkParams('tensor/suggestion', params, { ...modelKinds, tensor: 'string', cacheDir: 'path' });
    return models.use(params, signal, async (model) => {
      const table = await readStoredTable(model, params.cacheDir, signal);
      const plan = await planBeside(model);
      const row = table && rowOf(table, params.tensor);
      const assignment = plan && assignmentOf(plan, params.tensor);
      return { ...(row ? { row } : {}), ...(assignment ? { assignment } : {}) };
    });
  };
}

/** The first plan in the model's folder that is for the model; plans that cannot be read are left out. */
async function planBeside(model: Model): Promise<Plan | undefined> {
  const { folder } = model.description;
  const names = (await readdir(folder).catch(() => [])).filter((name) => name.endsWith('.ampq.json')).sort();
  const hash = modelHash(model.description);
  for (const file of names.slice(0, maxPlans).map((name) => join(folder, name))) {
    const plan = await readPlan(file).catch(skip);
    if (plan?.model.hash !== hash) continue;
    const bound = await readPlanFor(model, file).catch(skip);
    if (bound) return bound;
  }
  return undefined;
}
