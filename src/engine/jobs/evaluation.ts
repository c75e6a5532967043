import { compareRuns } from '../../evaluation/divergence';
import { openWritableFolder } from '../../files/cacheFolder';
import { withThreads } from '../../graph/threads';
import { QuantscopeError } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { EvaluationResult, PairedComparison } from '../../protocol/evaluation';
import { said } from '../../protocol/said';
import { ResultStore } from '../evaluation/resultStore';
import { runPreview } from '../evaluation/runPreview';
import { runEvaluation } from '../evaluation/runEvaluation';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

export function evaluationJob(models: OpenModels): Job<'evaluation/run'> {
  return (params, context) => {
    checkParams('evaluation/run', params, {
      ...{
        ...modelKinds,
        cacheDir: 'path',
        text: 'path?',
        tasks: 'path?',
        pairs: 'path?',
        imatrix: 'path?',
        against: 'path?',
      },
      ...{ planFile: 'path?', type: 'string?', format: 'string?', recipe: 'record?' },
      ...{ roundActivations: 'boolean?' },
      ...{ convention: 'convention?', context: 'count?', stride: 'count?', windows: 'count?' },
      ...{ memory: 'memory?', device: 'device', threads: 'count?' },
    });
    const { against, planFile, type, format, recipe } = params;
    const isChanged = [planFile, type, format, recipe].some((item) => item !== undefined);
    const baseRef = against === undefined ? isChanged && params : { path: against };
    return withThreads(params.threads, () =>
      withStore(params.cacheDir, (store) =>
        models.use(params, context.signal, (model) =>
          baseRef === false || params.text === undefined
            ? runEvaluation(model, undefined, params, store, context)
            : models.use(baseRef, context.signal, (base) =>
                runEvaluation(model, base, params, store, context),
              ),
        ),
      ),
    );
  };
}

export function previewEvaluationJob(models: OpenModels): Job<'evaluation/preview'> {
  return (params, context) => {
    checkParams('evaluation/preview', params, {
      ...{ ...modelKinds, cacheDir: 'path', recipe: 'record', text: 'path' },
      ...{ context: 'count?', windows: 'count?', device: 'device', threads: 'count?' },
    });
    return withThreads(params.threads, () =>
      models.useUnchanged(params, context.signal, (model) => runPreview(model, params, context)),
    );
  };
}

/** Runs with the results of a folder; where it cannot be written, with a temporary one, and the result says why it is not kept. */
async function withStore(
  cacheDir: string,
  evaluate: (store: ResultStore) => Promise<EvaluationResult>,
): Promise<EvaluationResult> {
  const { folder, problem, close } = await openWritableFolder(cacheDir);
  try {
    const result = await evaluate(new ResultStore(folder));
    return problem === undefined ? result : { ...result, notKept: problem };
  } finally {
    await close();
  }
}

export function storedEvaluationsJob(models: OpenModels): Job<'evaluation/stored'> {
  return (params, { signal }) => {
    checkParams('evaluation/stored', params, { ...modelKinds, cacheDir: 'path' });
    return models.use(params, signal, (model) =>
      new ResultStore(params.cacheDir).list(modelHash(model.description)),
    );
  };
}

export function removeEvaluationJob(): Job<'evaluation/remove'> {
  return async (params) => {
    checkParams('evaluation/remove', params, { ...modelKinds, cacheDir: 'path', id: 'string' });
    await new ResultStore(params.cacheDir).remove(params.id);
  };
}

export function pairEvaluationsJob(models: OpenModels): Job<'evaluation/pair'> {
  return (params, { signal }) => {
    checkParams('evaluation/pair', params, { ...modelKinds, cacheDir: 'path', a: 'string', b: 'string' });
    return models.use(params, signal, async (model) => {
      const store = new ResultStore(params.cacheDir);
      const results = await store.list(modelHash(model.description));
      const named = (id: string): EvaluationResult => {
        const found = results.find((result) => result.id === id);
        if (found) return found;
        throw new QuantscopeError('REQUEST', said`The model has no result "${id}".`);
      };
      return pair(store, named(params.a), named(params.b));
    });
  };
}

async function pair(store: ResultStore, a: EvaluationResult, b: EvaluationResult): Promise<PairedComparison> {
  if (a.text === undefined || a.text.hash !== b.text?.hash)
    throw new QuantscopeError(
      'REQUEST',
      said`The results are not for the same tokens: text, windows and context must be the same.`,
    );
  const sameBase = a.text.divergence?.baseHash === b.text.divergence?.baseHash;
  const runOf = async (result: EvaluationResult) => {
    const { losses, divergences } = await store.tokens(result);
    return { name: result.variant, losses, ...(sameBase ? { divergences } : {}) };
  };
  return compareRuns(await runOf(a), await runOf(b));
}
