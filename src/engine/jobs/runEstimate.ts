import { estimateRun } from '../../exporter/runEstimate/estimateRun';
import { readPlan } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Memory and traffic of a model at run time, from headers. */
export function runEstimateJob(models: OpenModels): Job<'model/estimate'> {
  return (params, { signal }) => {
    checkParams('model/estimate', params, {
      ...{ ...modelKinds, targets: 'runTargets' },
      ...{ context: 'count?', sequences: 'count?', cacheType: 'cacheType?' },
    });
    return models.use(params, signal, (model) => estimateRun(model, params, { readPlan, signal }));
  };
}
