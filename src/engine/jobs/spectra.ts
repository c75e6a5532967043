import { matchTensors, type TensorPair } from '../../analysis/matchTensors';
import { changeSpectrum, whyNot } from '../../analysis/spectrum/changeSpectrum';
import { MatrixProducts } from '../../graph/matrixProducts';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { OtherModel } from '../../protocol/compare';
import type { ModelRef } from '../../protocol/model';
import type { ChangeSpectra, ChangeSpectrum } from '../../protocol/spectrum';
import { said } from '../../protocol/said';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';
import { otherKinds, otherRef } from './compare';

/** What a spectrum is computed with. */
interface Work {
  readonly a: Model;
  readonly b: Model;
  readonly pairs: readonly TensorPair[];
  readonly products: MatrixProducts;
}

async function withBoth<T>(
  models: OpenModels,
  params: ModelRef & OtherModel,
  signal: AbortSignal,
  work: (work: Work) => Promise<T>,
): Promise<T> {
  return models.useUnchanged(params, signal, (a) =>
    models.useUnchanged(otherRef(params), signal, async (b) => {
      const { pairs } = await matchTensors(a, b, signal);
      const products = await MatrixProducts.open();
      return work({ a, b, pairs, products }).finally(() => products.close());
    }),
  );
}

/** Singular values of the change of one tensor. */
export function spectrumJob(models: OpenModels): Job<'tensor/spectrum'> {
  return (params, { signal, progress }) => {
    checkParams('tensor/spectrum', params, { ...modelKinds, ...otherKinds, tensor: 'string' });
    const { tensor } = params;
    return withBoth(models, params, signal, ({ a, b, pairs, products }) => {
      const pair = pairs.find(({ name }) => name === tensor);
      if (!pair)
        throw new QuantscopeError('REQUEST', said`Neither of the models has this tensor.`, { tensor });
      const onProgress = (done: number, total: number): void => progress({ message: tensor, done, total });
      return changeSpectrum(a, b, pair, products, { signal, onProgress });
    });
  };
}

/** The same of all matrices; what has no spectrum is listed with the reason. */
export function spectraJob(models: OpenModels): Job<'model/spectra'> {
  return (params, context) => {
    checkParams('model/spectra', params, { ...modelKinds, ...otherKinds });
    return withBoth(models, params, context.signal, (work) => spectraOf(work, context));
  };
}

async function spectraOf({ a, b, pairs, products }: Work, context: JobContext): Promise<ChangeSpectra> {
  const { signal, progress } = context;
  const spectra: ChangeSpectrum[] = [];
  const skipped: { name: string; reason: string }[] = [];
  for (const [index, pair] of pairs.entries()) {
    throwIfCancelled(signal);
    const { name } = pair;
    progress({ message: name, done: index, total: pairs.length });
    const reason = whyNot(pair);
    if (reason !== undefined) {
      skipped.push({ name, reason });
      continue;
    }
    try {
      spectra.push(await changeSpectrum(a, b, pair, products, { signal }));
    } catch (error) {
      if (!(error instanceof QuantscopeError) || error.code !== 'UNSUPPORTED') throw error;
      skipped.push({ name, reason: error.message });
    }
  }
  return { spectra, skipped };
}
