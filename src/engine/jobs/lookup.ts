import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { locateModel } from '../../model/locateModel';
import type { LocatedModel } from '../../protocol/model';
import { suggestionFrom } from '../../protocol/suggestion';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';
import { TensorIndex } from '../tensorIndex';
import { planBeside } from './plans';
import { readStoredTable, storedKinds } from './sensitivity';

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
    checkParams('tensor/suggestion', params, { ...storedKinds, tensor: 'string' });
    return models.use(params, signal, async (model) => {
      const table = await readStoredTable(model, params, signal);
      const { found } = await planBeside(model, signal);
      return suggestionFrom(table, found?.plan, params.tensor);
    });
  };
}
