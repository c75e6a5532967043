import { compareModels } from '../../analysis/compareModels';
import { matchTensors, sameShape } from '../../analysis/matchTensors';
import { overlayTensors } from '../../analysis/overlay';
import { joinComparisons } from '../../analysis/threeWay';
import { QuantscopeError } from '../../model/errors';
import type { OtherModel, ThirdModel } from '../../protocol/compare';
import type { ModelRef } from '../../protocol/model';
import { said } from '../../protocol/said';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Parameters that say which model another is compared with. */
export const otherKinds = { other: 'path', otherAdapters: 'adapters?' } as const;

export const otherRef = ({ other: path, otherAdapters: adapters }: OtherModel): ModelRef => ({
  ...{ path, ...(adapters ? { adapters } : {}) },
});

const thirdRef = ({ third: path, thirdAdapters: adapters }: ThirdModel): ModelRef => ({
  ...{ path, ...(adapters ? { adapters } : {}) },
});

export function compareModelsJob(models: OpenModels): Job<'model/compare'> {
  return (params, { signal, progress }) => {
    checkParams('model/compare', params, { ...modelKinds, ...otherKinds });
    return models.useUnchanged(params, signal, (a) =>
      models.useUnchanged(otherRef(params), signal, (b) =>
        compareModels(a, b, {
          signal,
          onProgress: (message, done, total) => progress({ message, done, total }),
        }),
      ),
    );
  };
}

/** Two models against the model of the request. */
export function compareThreeJob(models: OpenModels): Job<'model/compareThree'> {
  return (params, { signal, progress }) => {
    const kinds = { ...modelKinds, ...otherKinds, third: 'path', thirdAdapters: 'adapters?' } as const;
    checkParams('model/compareThree', params, kinds);
    return models.useUnchanged(params, signal, async (original) => {
      const against = (ref: ModelRef, part: 0 | 1) =>
        models.useUnchanged(ref, signal, (model) =>
          compareModels(original, model, {
            signal,
            onProgress: (message, done, total) =>
              progress({ message, done: done + part * total, total: 2 * total }),
          }),
        );
      const first = await against(otherRef(params), 0);
      return joinComparisons(first, await against(thirdRef(params), 1));
    });
  };
}

/** Histograms and error map of one matched tensor. */
export function overlayJob(models: OpenModels): Job<'tensor/overlay'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/overlay', params, { ...modelKinds, ...otherKinds, tensor: 'string' });
    return models.use(params, signal, (a) =>
      models.use(otherRef(params), signal, async (b) => {
        const pair = (await matchTensors(a, b, signal)).pairs.find(({ name }) => name === params.tensor);
        if (pair?.a && pair.b && sameShape(pair.a.shape, pair.b.shape)) {
          const { name } = pair;
          const onProgress = (done: number, total: number): void => progress({ message: name, done, total });
          return overlayTensors(a, b, { name, a: pair.a, b: pair.b }, { signal, onProgress });
        }
        throw new QuantscopeError(
          'REQUEST',
          said`The models do not both have this tensor with the same shape.`,
          {
            tensor: params.tensor,
          },
        );
      }),
    );
  };
}
