import { exportMmproj, previewMmproj } from '../../exporter/mmproj/exportMmproj';
import { QuantscopeError } from '../../model/errors';
import type { MmprojSettings } from '../../protocol/mmproj';
import { said } from '../../protocol/said';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const kinds = { ...modelKinds, type: 'mmprojType?' } as const;

/** Dry run. */
export function previewMmprojJob(models: OpenModels): Job<'mmproj/preview'> {
  return (params, { signal }) => {
    checkParams('mmproj/preview', params, { ...kinds, out: 'path?' });
    refuseAdapters(params);
    const { type, out } = params;
    return models.use(params, signal, (model) => previewMmproj(model, out, { type, signal }));
  };
}

/** Writes the vision part of a checkpoint for llama.cpp. */
export function exportMmprojJob(models: OpenModels): Job<'mmproj/export'> {
  return (params, { signal, progress }) => {
    checkParams('mmproj/export', params, { ...kinds, out: 'path' });
    refuseAdapters(params);
    const { type, out } = params;
    return models.use(params, signal, (model) =>
      exportMmproj(model, out, { type, signal, onProgress: progress }),
    );
  };
}

function refuseAdapters({ adapters }: MmprojSettings): void {
  if (!adapters || adapters.length === 0) return;
  throw new QuantscopeError('REQUEST', said`A vision part is written without adapters.`);
}
