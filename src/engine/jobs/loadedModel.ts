import { loadedModel } from '../../exporter/fileFrame';
import { readImatrix } from '../../model/imatrix';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** What the memory of a plan depends on when llama.cpp runs the model, besides the formats that it chooses. */
export function loadedModelJob(models: OpenModels): Job<'plan/loaded'> {
  return (params, { signal }) => {
    checkParams('plan/loaded', params, { ...modelKinds, imatrix: 'path?', isOptimised: 'boolean' });
    const { isOptimised } = params;
    return models.use(params, signal, async (model) => {
      const imatrix = params.imatrix === undefined ? undefined : await readImatrix(params.imatrix, signal);
      return loadedModel(model, { imatrix, isOptimised }, signal);
    });
  };
}
