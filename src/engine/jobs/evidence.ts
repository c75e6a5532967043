import { withThreads } from '../../graph/threads';
import type { EvidenceParams } from '../../protocol/evidence';
import { estimateEvidence, runEvidence, storedEvidence } from '../evaluation/obtainEvidence';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const kinds = {
  ...modelKinds,
  cacheDir: 'path',
  text: 'path',
  needs: 'strings',
  context: 'count?',
  tokens: 'count?',
  memory: 'memory?',
  device: 'device',
  threads: 'count?',
} as const;

export function evidenceJob(models: OpenModels): Job<'evidence/run'> {
  return (params: EvidenceParams, context) => {
    checkParams('evidence/run', params, kinds);
    return withThreads(params.threads, () =>
      models.use(params, context.signal, (model) => runEvidence(model, params, params.cacheDir, context)),
    );
  };
}

export function evidenceEstimateJob(models: OpenModels): Job<'evidence/estimate'> {
  return (params: EvidenceParams, { signal }) => {
    checkParams('evidence/estimate', params, kinds);
    return withThreads(params.threads, () =>
      models.use(params, signal, (model) => estimateEvidence(model, params, params.cacheDir, signal)),
    );
  };
}

export function storedEvidenceJob(models: OpenModels): Job<'evidence/stored'> {
  return (params, { signal }) => {
    checkParams('evidence/stored', params, { ...modelKinds, cacheDir: 'path' });
    return models.use(params, signal, (model) => storedEvidence(model, params.cacheDir));
  };
}
