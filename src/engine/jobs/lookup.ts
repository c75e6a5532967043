import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { locateModel } from '../../model/locateModel';
import type { LocatedModel } from '../../protocol/model';
import { checkParams, type Job } from '../job';

/** The models that paths lead to. */
export function locateJob(): Job<'model/locate'> {
  return async (params, { signal }) => {
    checkParams('model/locate', params, { paths: 'paths' });
    const located: LocatedModel[] = [];
    const covered = new Set<string>();
    for (const path of params.paths) {
      throwIfCancelled(signal);
      if (covered.has(path)) continue;
      const model = await locateModel(path, signal).catch(skip);
      if (!model || covered.has(model.file)) continue;
      for (const file of [model.file, ...model.files]) covered.add(file);
      located.push(model);
    }
    return located;
  };
}

/** A path that is not a model is left out; anything else is a bug, or the request was cancelled. */
function skip(error: unknown): undefined {
  if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
  return undefined;
}
