import { readFile } from 'node:fs/promises';
import { parsePlan } from '../../ampq/planFile';
import { exportGguf } from '../../exporter/exportGguf';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { loadNative } from '../../native';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';

export function exportJob(models: OpenModels): Job<'export/gguf'> {
  return async (params, { signal, progress }) => {
    checkParams('export/gguf', params, {
      path: 'path',
      out: 'path',
      type: 'string?',
      planFile: 'path?',
      threads: 'count?',
    });
    if ((params.type === undefined) === (params.planFile === undefined)) {
      throw new QuantscopeError('REQUEST', 'An export needs either a file type or a plan.');
    }
    if (params.threads !== undefined) loadNative().setThreads(params.threads);
    const target =
      params.planFile === undefined ? { type: params.type! } : { plan: await readPlan(params.planFile) };
    return models.use(params.path, signal, (model) =>
      exportGguf(model, target, params.out, { signal, onProgress: progress }),
    );
  };
}

async function readPlan(file: string) {
  try {
    return parsePlan(await readFile(file, 'utf8'), file);
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError('IO', `The plan cannot be read: ${reason(cause)}`, { file }, cause);
  }
}
