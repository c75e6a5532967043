import { readRegion } from '../../analysis/region';
import { QuantscopeError } from '../../model/errors';
import { isRecord } from '../../model/json';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';
import { said } from '../../protocol/said';

export function regionJob(models: OpenModels): Job<'tensor/region'> {
  return (params, { signal }) => {
    checkParams('tensor/region', params, { ...modelKinds, tensor: 'string' });
    const { region, cell } = params;
    if (!isRecord(region)) throw new QuantscopeError('REQUEST', said`tensor/region: "region" is missing.`);
    if (cell !== undefined && !isRecord(cell))
      throw new QuantscopeError('REQUEST', said`tensor/region: "cell" needs rows and columns.`);
    return models.use(params, signal, (model) =>
      readRegion(model, model.tensor(params.tensor), region, { cell, signal }),
    );
  };
}
