import { readMetadataSlice } from '../../model/metadataValue';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';

export function metadataJob(models: OpenModels): Job<'model/metadata'> {
  return (params, { signal }) => {
    checkParams('model/metadata', params, { path: 'path', key: 'string', source: 'string' });
    return models.use(params.path, signal, (model) => readMetadataSlice(model, params, signal));
  };
}
