import { exportAdapter } from '../../exporter/adapter/exportAdapter';
import { QuantscopeError } from '../../model/errors';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { said } from '../../protocol/said';

/** Writes an adapter of PEFT for llama.cpp. */
export function exportAdapterJob(models: OpenModels): Job<'adapter/export'> {
  return (params, { signal }) => {
    checkParams('adapter/export', params, { ...modelKinds, adapter: 'path', out: 'path' });
    if (params.adapters && params.adapters.length > 0)
      throw new QuantscopeError('REQUEST', said`adapter/export: the base is a model without adapters.`);
    return models.use(params, signal, (base) => exportAdapter(params.adapter, base, params.out, signal));
  };
}
