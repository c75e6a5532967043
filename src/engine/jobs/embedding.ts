import { withThreads } from '../../graph/threads';
import { runPairs } from '../evaluation/runPairs';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function embeddingJob(models: OpenModels): Job<'embeddings/run'> {
  return (params, context) => {
    checkParams('embeddings/run', params, {
      ...{ ...modelKinds, cacheDir: 'path', pairs: 'path', imatrix: 'path?' },
      ...{ planFile: 'path?', type: 'string?', format: 'string?', device: 'device', threads: 'count?' },
    });
    return withThreads(params.threads, () =>
      models.use(params, context.signal, (model) => runPairs(model, params, context)),
    );
  };
}
