import { openWritableFolder } from '../../files/cacheFolder';
import { withThreads } from '../../graph/threads';
import type { CertifyParams } from '../../protocol/evaluation';
import { estimateCertify } from '../evaluation/certifyEstimate';
import { certifyPlan } from '../evaluation/certifyPlan';
import type { CertifiedModels } from '../evaluation/certifySetup';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const kinds = {
  ...modelKinds,
  planFile: 'path',
  text: 'path',
  imatrix: 'path?',
  rival: 'path?',
  improveFrom: 'path?',
  cacheDir: 'path',
  context: 'count?',
  windows: 'count?',
  roundActivations: 'boolean?',
  memory: 'memory?',
  device: 'device',
  threads: 'count?',
} as const;

/** Measures a plan as a whole; where the folder of results cannot be written, with a temporary one. */
export function certifyJob(models: OpenModels): Job<'plan/certify'> {
  return async (params, context) => {
    checkParams('plan/certify', params, kinds);
    const { folder, problem, close } = await openWritableFolder(params.cacheDir);
    try {
      const result = await withModels(models, params, context.signal, (opened) =>
        certifyPlan(opened, params, folder, context),
      );
      return problem === undefined ? result : { ...result, notKept: problem };
    } finally {
      await close();
    }
  };
}

/** Tells what that would take; a second or two of it is run. */
export function certifyEstimateJob(models: OpenModels): Job<'plan/certifyEstimate'> {
  return (params, { signal }) => {
    checkParams('plan/certifyEstimate', params, kinds);
    return withModels(models, params, signal, (opened) => estimateCertify(opened, params, signal));
  };
}

const withModels = <T>(
  models: OpenModels,
  params: CertifyParams,
  signal: AbortSignal,
  work: (models: CertifiedModels) => Promise<T>,
): Promise<T> =>
  withThreads(params.threads, () =>
    models.use(params, signal, (model) =>
      params.rival === undefined
        ? work({ model })
        : models.use({ path: params.rival }, signal, (rival) => work({ model, rival })),
    ),
  );
