import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { bindPlan } from '../../ampq/bindPlan';
import type { Candidates } from '../../ampq/candidates';
import { planEnding } from '../../ampq/planFile';
import { candidatesOf } from '../../exporter/plan/candidates';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { Model } from '../../model/model';
import type { FoundPlan, PlanBeside } from '../../protocol/planResults';
import { savedPlan, type SavedPlan } from '../../protocol/savedPlans';
import { readPlan, readPlanFor } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

/** Plan files of a folder that are read to find the one of a model. */
const maxPlans = 64;

/** A plan applied to a model. */
export function readPlanJob(models: OpenModels): Job<'plan/read'> {
  return (params, { signal }) => {
    checkParams('plan/read', params, { ...modelKinds, planFile: 'path', planText: 'text?' });
    const { planFile, planText } = params;
    return models.use(params, signal, (model) => readPlanFor(model, planFile, planText));
  };
}

export function planBesideJob(models: OpenModels): Job<'plan/beside'> {
  return (params, { signal }) => {
    checkParams('plan/beside', params, { ...modelKinds, planFile: 'path?' });
    const { planFile } = params;
    return models.use(params, signal, (model) =>
      planFile === undefined ? planBeside(model, signal) : firstPlan(model, [planFile], signal),
    );
  };
}

/** The first plan in the model's folder that is for the model. @throws QuantscopeError CANCELLED. */
export async function planBeside(model: Model, signal: AbortSignal): Promise<PlanBeside> {
  return firstPlan(model, await plansIn(model.folder), signal);
}

async function plansIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const plans = names.filter((name) => name.endsWith(planEnding)).sort();
  return plans.slice(0, maxPlans).map((name) => join(folder, name));
}

async function firstPlan(model: Model, files: readonly string[], signal: AbortSignal): Promise<PlanBeside> {
  const problems: string[] = [];
  for await (const { found, problem } of plansFor(model, files, signal)) {
    if (found) return { found, problems };
    problems.push(problem);
  }
  return { problems };
}

export function listPlansJob(models: OpenModels): Job<'plan/list'> {
  return (params, { signal }) => {
    checkParams('plan/list', params, modelKinds);
    return models.use(params, signal, (model) => savedPlansOf(model, signal));
  };
}

/** The plans in the model's folder that are for the model. @throws QuantscopeError CANCELLED. */
export async function savedPlansOf(model: Model, signal: AbortSignal): Promise<SavedPlan[]> {
  const saved: SavedPlan[] = [];
  for await (const { found } of plansFor(model, await plansIn(model.folder), signal))
    if (found) saved.push(savedPlan(found.file, found.plan));
  return saved;
}

type TriedPlan =
  | { readonly found: FoundPlan; readonly problem?: undefined }
  | { readonly found?: undefined; readonly problem: string };

/** The plans of files that are for a model, and why others cannot be used; those for other models are passed. @throws QuantscopeError CANCELLED. */
async function* plansFor(
  model: Model,
  files: readonly string[],
  signal: AbortSignal,
): AsyncGenerator<TriedPlan> {
  const hash = modelHash(model.description);
  let candidates: Candidates | undefined;
  for (const file of files) {
    throwIfCancelled(signal);
    try {
      const plan = await readPlan(file);
      if (plan.model.hash !== hash) continue;
      candidates ??= await candidatesOf(model, { signal });
      yield { found: { file, plan: bindPlan(plan, model.description, candidates, file) } };
    } catch (error) {
      if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
      yield { problem: error.message };
    }
  }
}
