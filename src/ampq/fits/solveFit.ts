import { QuantscopeError } from '../../model/errors';
import type { FitRequest, FitUse, MemoryUse, PlanFit, RunSettings } from '../../protocol/fit';
import type { LoadedModel } from '../../protocol/loadedModel';
import type { Plan, PlanConstraint, SensitivityTable } from '../../protocol/plan';
import { size } from '../../protocol/words';
import { said } from '../../protocol/said';
import { makePlan, planFrom } from '../planFile';
import { isWithin, leastFile } from '../solve';
import { cacheBytes, computeBytes } from './memory';
import { fitsSplit, solveSplit } from './solveSplit';

/** Tokens of context where nothing else is asked for. */
export const usualContext = 8192;

export interface FittingPlan {
  readonly plan: Plan;
  readonly use: FitUse;
}

/**
 * The plan of smallest predicted divergence that leaves room for the context in the memory of one device, or in a GPU's and RAM together.
 * @throws QuantscopeError REQUEST naming what does not fit and the least that does; or as `classesOf` and `cacheBytes`.
 */
export function solveFit(
  table: SensitivityTable,
  model: LoadedModel,
  request: FitRequest,
  constraints: readonly PlanConstraint[] = [],
): FittingPlan {
  return request.gpu
    ? fitTwo(table, model, request, request.gpu, constraints)
    : fitOne(table, model, request, constraints);
}

/** Whether `solveFit` finds a plan. */
export function fitsInto(
  table: SensitivityTable,
  model: LoadedModel,
  request: FitRequest,
  constraints: readonly PlanConstraint[] = [],
): boolean {
  if (request.gpu) return fitsSplit(table, model, splitRequest(model, request, request.gpu), constraints);
  const budget = { kind: 'bytes', value: leftFor(model, request).weights } as const;
  return isWithin(table, budget, model.frame, constraints);
}

function fitOne(
  table: SensitivityTable,
  model: LoadedModel,
  request: FitRequest,
  constraints: readonly PlanConstraint[],
): FittingPlan {
  const { weights, cache, compute } = leftFor(model, request);
  const least = leastFile(table, model.frame, constraints);
  if (table.rows.length > 0 && least > weights)
    throw new QuantscopeError(
      'REQUEST',
      said`The model does not fit into ${size(request.memory)}: it takes at least ${size(least + cache + compute)} (${least + cache + compute}B: ${size(least)} of weights, ${size(cache)} of keys and values, ${size(compute)} of buffers).`,
    );
  const fit: PlanFit = { ...settingsOf(model, request), memory: request.memory };
  const plan = makePlan(table, { kind: 'bytes', value: weights }, model.frame, { constraints, fit });
  return { plan, use: { memory: { weights: plan.total.fileBytes!, cache, compute } } };
}

function fitTwo(
  table: SensitivityTable,
  model: LoadedModel,
  request: FitRequest,
  gpu: NonNullable<FitRequest['gpu']>,
  constraints: readonly PlanConstraint[],
): FittingPlan {
  const { solution, fit, use } = solveSplit(table, model, splitRequest(model, request, gpu), constraints);
  const budget = { kind: 'bytes', value: solution.total.fileBytes! } as const;
  const plan = planFrom(table, solution, { budget, frame: model.frame, constraints, fit });
  return { plan, use: { memory: use.ram, gpu: use.gpu } };
}

const splitRequest = (
  model: LoadedModel,
  request: FitRequest,
  { memory, layers, cpuMoe }: NonNullable<FitRequest['gpu']>,
) => ({
  ...{ ...settingsOf(model, request), ram: request.memory, gpu: memory, cpuMoe },
  ...(layers === undefined ? {} : { gpuLayers: layers }),
});

function settingsOf({ shape }: LoadedModel, { context, sequences, cacheType }: FitRequest): RunSettings {
  return { context: context ?? Math.min(shape.contextLength, usualContext), sequences, cacheType };
}

/** What the cache and buffers leave of one memory; less than nothing where they do not fit themselves. */
function leftFor(model: LoadedModel, request: FitRequest): MemoryUse {
  const settings = settingsOf(model, request);
  const cache = cacheBytes(model.shape, settings).reduce((sum, bytes) => sum + bytes, 0);
  const compute = computeBytes(model.shape, settings);
  return { weights: request.memory - cache - compute, cache, compute };
}
