import { readFile } from 'node:fs/promises';
import { parsePlan } from '../../ampq/planFile';
import { exportGguf, previewGguf } from '../../exporter/exportGguf';
import type { ExportTarget } from '../../exporter/plan';
import { encodableTypes, fileTypes } from '../../exporter/plan/fileTypes';
import { reason } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import type { ExportSettings } from '../../protocol/export';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';

const settingKinds = { type: 'string?', planFile: 'path?' } as const;

/** What can be exported. */
export function fileTypesJob(): Job<'export/fileTypes'> {
  return () =>
    Promise.resolve({
      fileTypes: fileTypes.map(({ name, label }) => ({ name, label, needsImportance: false })),
      tensorTypes: [...encodableTypes],
    });
}

/** Dry run. */
export function previewJob(models: OpenModels): Job<'export/preview'> {
  return async (params, { signal }) => {
    checkParams('export/preview', params, { path: 'path', out: 'path?', ...settingKinds });
    const target = await readTarget(params);
    return models.use(params.path, signal, (model) => previewGguf(model, target, params.out, signal));
  };
}

export function exportJob(models: OpenModels): Job<'export/gguf'> {
  return async (params, { signal, progress }) => {
    checkParams('export/gguf', params, { path: 'path', out: 'path', threads: 'count?', ...settingKinds });
    const target = await readTarget(params);
    const { out, threads } = params;
    return models.use(params.path, signal, (model) =>
      exportGguf(model, target, out, { signal, onProgress: progress, threads }),
    );
  };
}

/** The settings with the files that they name read. */
async function readTarget({ type, planFile }: ExportSettings): Promise<ExportTarget> {
  if ((type === undefined) === (planFile === undefined)) {
    throw new QuantscopeError('REQUEST', 'An export needs either a file type or a plan.');
  }
  return type === undefined ? { plan: await readPlan(planFile!) } : { type };
}

async function readPlan(file: string) {
  try {
    return parsePlan(await readFile(file, 'utf8'), file);
  } catch (cause) {
    if (cause instanceof QuantscopeError) throw cause;
    throw new QuantscopeError('IO', `The plan cannot be read: ${reason(cause)}`, { file }, cause);
  }
}
