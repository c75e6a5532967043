import { openWritableFolder } from '../../files/cacheFolder';
import { withThreads } from '../../graph/threads';
import { certifyPlan } from '../evaluation/certifyPlan';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Measures a plan as a whole; where the folder of results cannot be written, with a temporary one. */
export function certifyJob(models: OpenModels): Job<'plan/certify'> {
  return async (params, context) => {
    checkParams('plan/certify', params, {
      ...{
        ...modelKinds,
        planFile: 'path',
        text: 'path',
        imatrix: 'path?',
        rival: 'path?',
        improveFrom: 'path?',
        cacheDir: 'path',
      },
      ...{ context: 'count?', windows: 'count?', roundActivations: 'boolean?' },
      ...{ memory: 'memory?', device: 'device', threads: 'count?' },
    });
    const { folder, problem, close } = await openWritableFolder(params.cacheDir);
    try {
      const result = await withThreads(params.threads, () =>
        models.use(params, context.signal, (model) =>
          params.rival === undefined
            ? certifyPlan({ model }, params, folder, context)
            : models.use({ path: params.rival }, context.signal, (rival) =>
                certifyPlan({ model, rival }, params, folder, context),
              ),
        ),
      );
      return problem === undefined ? result : { ...result, notKept: problem };
    } finally {
      await close();
    }
  };
}
