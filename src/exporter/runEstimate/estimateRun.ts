import { cacheBytes, computeBytes, readBytes } from '../../ampq/fits/memory';
import { runtimeShape } from '../../ampq/fits/runtimeShape';
import { usualContext } from '../../ampq/fits/solveFit';
import { modelIdentity } from '../../architectures/identity/modelIdentity';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { RunSettings } from '../../protocol/fit';
import type { RuntimeShape } from '../../protocol/loadedModel';
import type { ModelIdentity } from '../../protocol/overview';
import type { Plan } from '../../protocol/plan';
import type { RunEstimate, RunEstimateParams, RunTarget, WeightsEstimate } from '../../protocol/runEstimate';
import { readWeights } from './readShare';
import { targetWeights } from './targetWeights';

/** What the estimate reads besides headers. */
interface EstimateSources {
  readonly readPlan: (file: string) => Promise<Plan>;
  readonly signal?: AbortSignal | undefined;
}

/**
 * Memory and traffic of a model at run time, its weights in each of the targets; reads headers only.
 * @throws QuantscopeError REQUEST for rows of keys or values that are not whole blocks of the type of the cache.
 */
export async function estimateRun(
  model: Model,
  { targets, context, sequences = 1, cacheType = 'f16' }: Omit<RunEstimateParams, 'path'>,
  { readPlan, signal }: EstimateSources,
): Promise<RunEstimate> {
  const identity = modelIdentity(model);
  const shape = await shapeOrReason(model, signal);
  const contextLength = typeof shape === 'string' ? numberIn(identity.context) : shape.contextLength;
  const settings = {
    context: context ?? Math.min(contextLength ?? usualContext, usualContext),
    sequences,
    cacheType,
  };
  const estimates: WeightsEstimate[] = [];
  for (const target of targets)
    estimates.push(await estimateTarget(model, target, identity, sequences, { readPlan, signal }));
  return {
    settings,
    ...(contextLength === undefined ? {} : { contextLength }),
    ...(typeof shape === 'string' ? { unknown: shape } : { memory: memoryOf(shape, settings) }),
    notes: typeof shape === 'string' ? [] : shape.notes,
    targets: estimates,
  };
}

const numberIn = (span: ModelIdentity['context']): number | undefined =>
  typeof span === 'number' ? span : span?.[1];

const memoryOf = (shape: RuntimeShape, settings: RunSettings) => ({
  cacheBytes: cacheBytes(shape, settings).reduce((sum, bytes) => sum + bytes, 0),
  computeBytes: computeBytes(shape, settings),
  readBytes: readBytes(shape, settings),
});

/** The shape of a model that its headers lead to, or why there is none. */
async function shapeOrReason(model: Model, signal: AbortSignal | undefined): Promise<RuntimeShape | string> {
  try {
    return await runtimeShape(model, signal);
  } catch (error) {
    return reasonOf(error);
  }
}

async function estimateTarget(
  model: Model,
  target: RunTarget,
  identity: ModelIdentity,
  sequences: number,
  { readPlan, signal }: EstimateSources,
): Promise<WeightsEstimate> {
  try {
    const { label, tensors } = await targetWeights(model, target, readPlan, signal);
    const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
    const elements = tensors.reduce((sum, tensor) => sum + tensor.elements, 0);
    return {
      ...{ target, label },
      weights: {
        ...{ bytes, bitsPerWeight: elements === 0 ? 0 : (8 * bytes) / elements },
        readBytes: readWeights(tensors, identity, sequences),
      },
    };
  } catch (error) {
    return { target, label: nameOf(target), failure: reasonOf(error) };
  }
}

const nameOf = (target: RunTarget): string => {
  switch (target.kind) {
    case 'stored':
      return 'as stored';
    case 'type':
      return target.type;
    case 'recipe':
      return target.recipe;
    case 'plan':
      return 'plan';
  }
};

/** A reason that is about the model; anything else is a bug. */
function reasonOf(error: unknown): string {
  if (error instanceof QuantscopeError && !['INTERNAL', 'CANCELLED'].includes(error.code))
    return error.message;
  throw error;
}
