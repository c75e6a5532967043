import { afterAll } from 'vitest';
import type { JobContext } from '../../src/engine/job';
import { createJobs } from '../../src/engine/jobs';
import { OpenModels } from '../../src/engine/models';
import type { EngineMethod, EngineRequests } from '../../src/protocol/engine';
import type { CalibrationParams, EvaluationParams } from '../../src/protocol/evaluation';
import { sampleFolder } from './files';

type Request = <M extends EngineMethod>(
  method: M,
  params: EngineRequests[M]['params'],
  context?: Partial<JobContext>,
) => Promise<EngineRequests[M]['result']>;

/** The engine's jobs in this process, on the CPU; models are closed when the test file is done. */
export function engineJobs(cacheDir: string) {
  const models = new OpenModels();
  const jobs = createJobs(models);
  afterAll(() => models.close());
  // A request that is rejected at once returns a rejected promise, as it does in the engine's process.
  const request: Request = async (method, params, { signal, progress } = {}) =>
    jobs[method](params, {
      signal: signal ?? new AbortController().signal,
      progress: progress ?? (() => undefined),
    });
  const sample = { path: sampleFolder, device: 'cpu' } as const;
  return {
    request,
    /** Evaluates the sample, unless `path` is another model. */
    evaluate: (params: Partial<EvaluationParams>, context?: Partial<JobContext>) =>
      request('evaluation/run', { ...sample, cacheDir, ...params }, context),
    calibrate: (
      params: Pick<CalibrationParams, 'text' | 'out'> & Partial<CalibrationParams>,
      context?: Partial<JobContext>,
    ) => request('calibration/run', { ...sample, ...params }, context),
  };
}
