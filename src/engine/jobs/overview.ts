import { modelLimits } from '../../architectures/modelLimits';
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

/** What cannot be done with a model, and why. */
export function limitsJob(models: OpenModels): Job<'model/limits'> {
  return (params, { signal }) => {
    checkParams('model/limits', params, modelKinds);
    return models.use(params, signal, (model) => Promise.resolve(modelLimits(model)));
  };
}
