import { compareModels } from '../../analysis/compareModels';
import { matchTensors, sameShape } from '../../analysis/matchTensors';
import { overlayTensors } from '../../analysis/overlay';
import { QuantscopeError } from '../../model/errors';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function compareModelsJob(models: OpenModels): Job<'model/compare'> {
  return (params, { signal, progress }) => {
    checkParams('model/compare', params, { ...modelKinds, other: 'path' });
    return models.useUnchanged(params, signal, (a) =>
      models.useUnchanged({ path: params.other }, signal, (b) =>
        compareModels(a, b, {
          signal,
          onProgress: (message, done, total) => progress({ message, done, total }),
        }),
      ),
    );
  };
}

/** Histograms and error map of one matched tensor. */
export function overlayJob(models: OpenModels): Job<'tensor/overlay'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/overlay', params, { ...modelKinds, other: 'path', tensor: 'string' });
    return models.use(params, signal, (a) =>
      models.use({ path: params.other }, signal, async (b) => {
        const pair = (await matchTensors(a, b, signal)).pairs.find(({ name }) => name === params.tensor);
        if (pair?.a && pair.b && sameShape(pair.a.shape, pair.b.shape)) {
          const { name } = pair;
          const onProgress = (done: number, total: number): void => progress({ message: name, done, total });
          return overlayTensors(a, b, { name, a: pair.a, b: pair.b }, { signal, onProgress });
        }
        throw new QuantscopeError('REQUEST', 'The models do not both have this tensor with the same shape.', {
          tensor: params.tensor,
        });
      }),
    );
  };
}
