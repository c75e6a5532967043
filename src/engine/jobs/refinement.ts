import { withThreads } from '../../graph/threads';
import { openWritableFolder } from '../../files/cacheFolder';
import type { Model } from '../../model/model';
import type { RefinementParams } from '../../protocol/refinement';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';
import { estimateRefinement, runRefinement } from '../refinement/runRefinement';

const kinds = {
  ...modelKinds,
  original: 'path',
  text: 'path',
  cacheDir: 'path',
  parts: 'trainedParts?',
  tokens: 'count?',
  context: 'count?',
  steps: 'count?',
  batch: 'count?',
  device: 'device',
  threads: 'count?',
} as const;

export function refinementJob(models: OpenModels): Job<'refinement/run'> {
  return (params, context) => {
    checkParams('refinement/run', params, { ...kinds, out: 'path', finish: 'boolean?' });
    return withModels(models, params, context, (start, original, settings) =>
      runRefinement(start, original, settings, context),
    );
  };
}

export function refinementEstimateJob(models: OpenModels): Job<'refinement/estimate'> {
  return (params, context) => {
    checkParams('refinement/estimate', params, kinds);
    return withModels(models, params, context, (start, original, settings) =>
      estimateRefinement(start, original, settings, context),
    );
  };
}

/** Opens the file and its original; where the folder of states cannot be written, they are kept in a temporary one. */
async function withModels<P extends RefinementParams, T>(
  models: OpenModels,
  params: P,
  { signal }: JobContext,
  work: (start: Model, original: Model, params: P) => Promise<T>,
): Promise<T> {
  const { folder, close } = await openWritableFolder(params.cacheDir);
  try {
    return await withThreads(params.threads, () =>
      models.use(params, signal, (start) =>
        models.use({ path: params.original }, signal, (original) =>
          work(start, original, { ...params, cacheDir: folder }),
        ),
      ),
    );
  } finally {
    await close();
  }
}
