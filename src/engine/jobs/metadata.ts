import { readMetadataSlice } from '../../model/metadataValue';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function metadataJob(models: OpenModels): Job<'model/metadata'> {
  return (params, { signal }) => {
    checkParams('model/metadata', params, { ...modelKinds, key: 'string', source: 'string' });
    return models.use(params, signal, (model) => readMetadataSlice(model, params, signal));
  };
}
