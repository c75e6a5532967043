import { exportGguf, previewGguf } from '../../exporter/exportGguf';
import type { ExportTarget } from '../../exporter/plan';
import { encodableTypes, fileTypeNeedsImportance, fileTypes } from '../../exporter/plan/fileTypes';
import { readImatrix } from '../../model/imatrix';
import type { ExportSettings } from '../../protocol/export';
import { readPlan } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const settingKinds = {
  type: 'string?',
  planFile: 'path?',
  imatrix: 'path?',
  includeWeights: 'strings?',
  excludeWeights: 'strings?',
  pure: 'boolean?',
  leaveOutput: 'boolean?',
  outputType: 'string?',
  tokenEmbeddingType: 'string?',
  tensorTypes: 'tensorTypes?',
  allowRequantize: 'boolean?',
  pruneLayers: 'blocks?',
  overrideKeyValues: 'strings?',
  split: 'split?',
} as const;

/** What can be exported. */
export function fileTypesJob(): Job<'export/fileTypes'> {
  return () =>
    Promise.resolve({
      fileTypes: fileTypes.map((fileType) => ({
        name: fileType.name,
        label: fileType.label,
        needsImportance: fileTypeNeedsImportance(fileType),
      })),
      tensorTypes: [...encodableTypes],
    });
}

/** Dry run. */
export function previewJob(models: OpenModels): Job<'export/preview'> {
  return async (params, { signal }) => {
    checkParams('export/preview', params, { ...modelKinds, out: 'path?', ...settingKinds });
    const target = await readTarget(params, signal);
    const alsoRead = [params.planFile, params.imatrix];
    return models.use(params, signal, (model) =>
      previewGguf(model, target, params.out, { signal, alsoRead }),
    );
  };
}

export function exportJob(models: OpenModels): Job<'export/gguf'> {
  return async (params, { signal, progress }) => {
    checkParams('export/gguf', params, { ...modelKinds, out: 'path', threads: 'count?', ...settingKinds });
    const target = await readTarget(params, signal);
    const { out, threads, planFile, imatrix } = params;
    return models.use(params, signal, (model) =>
      exportGguf(model, target, out, {
        ...{ signal, threads, onProgress: progress },
        alsoRead: [planFile, imatrix],
      }),
    );
  };
}

/** The settings with the files that they name read. */
async function readTarget(settings: ExportSettings, signal: AbortSignal): Promise<ExportTarget> {
  const { planFile, imatrix, ...rest } = settings;
  return {
    ...rest,
    ...(planFile === undefined ? {} : { plan: await readPlan(planFile) }),
    ...(imatrix === undefined ? {} : { imatrix: await readImatrix(imatrix, signal) }),
  };
}
