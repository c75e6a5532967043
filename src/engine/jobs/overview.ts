import { checkParams, modelKinds, type Job } from '../job';
import { overviewOf } from '../modelFacts';
import type { OpenModels } from '../models';

/** What a model is, from its headers and the small files next to it. */
export function overviewJob(models: OpenModels): Job<'model/overview'> {
  return (params, { signal }) => {
    checkParams('model/overview', params, modelKinds);
    return models.use(params, signal, (model) => overviewOf(model, signal));
  };
}
