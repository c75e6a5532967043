import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { filesOfWeights, verifyFiles, verifyModel } from '../../analysis/verify/verifyModel';
import { manifestPath } from '../../files/digests/manifest';
import { statIfPresent } from '../../files/target';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import type { ModelRef } from '../../protocol/model';
import { maxFaults, type Fault, type VerifyResult } from '../../protocol/verify';
import { said } from '../../protocol/said';
import { planFaults } from '../../ampq/planFaults';
import { readPlan } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';

const verifyKinds = { ...modelKinds, planFile: 'path?' } as const;

export function verifyJob(models: OpenModels): Job<'model/verify'> {
  return async (params, context) => {
    checkParams('model/verify', params, verifyKinds);
    const { planFile } = params;
    const plan = planFile === undefined ? undefined : await readPlan(planFile);
    const agreement = (model: Model): readonly Fault[] => (plan ? planFaults(plan, model.description) : []);
    const unopened = (file: string): readonly Fault[] => (plan ? [incomparable(file)] : []);
    return verified(models, params, { quick: false, agreement, unopened }, context);
  };
}

export function verifyHeadersJob(models: OpenModels): Job<'model/verifyHeaders'> {
  return async (params, context) => {
    checkParams('model/verifyHeaders', params, modelKinds);
    const none = (): readonly Fault[] => [];
    return verified(models, params, { quick: true, agreement: none, unopened: none }, context);
  };
}

const incomparable = (file: string): Fault => ({
  ...{ kind: 'plan', file },
  message: said`The types cannot be compared with the plan: the file is not opened as a model.`,
});

interface Check {
  readonly quick: boolean;
  /** What else is wrong with an open model. */
  readonly agreement: (model: Model) => readonly Fault[];
  /** The same for files that are not opened as a model. */
  readonly unopened: (path: string) => readonly Fault[];
}

/**
 * Files that cannot be opened as a model (ONNX, a damaged header) are checked by their digests alone; without digests the error of
 * opening them is the answer.
 */
async function verified(
  models: OpenModels,
  { path, alone = false, adapters = [] }: ModelRef,
  { quick, agreement, unopened }: Check,
  { signal, progress }: JobContext,
): Promise<VerifyResult> {
  if (adapters.length > 0)
    throw new QuantscopeError(
      'REQUEST',
      said`Files are checked as they are: no adapters are merged into them.`,
      {
        file: path,
      },
    );
  const options = { quick, signal, onProgress: progress };
  const ref = { path, alone };
  const check = async (model: Model): Promise<VerifyResult> =>
    withFaults(await verifyModel(model, options), agreement(model));
  const problem = await problemOfOpening(models, ref, signal);
  if (!problem) return models.use(ref, signal, check);
  const files = await filesWithDigests(ref.path);
  if (files.length === 0) throw problem;
  const result = withFaults(await verifyFiles(ref.path, files, options), unopened(ref.path));
  return { ...result, notes: [...result.notes, said`Not opened as a model: ${problem.message}`] };
}

/** Why a model cannot be opened; undefined where it can. */
async function problemOfOpening(
  models: OpenModels,
  ref: ModelRef,
  signal: AbortSignal,
): Promise<QuantscopeError | undefined> {
  try {
    await models.use(ref, signal, () => Promise.resolve());
    return undefined;
  } catch (error) {
    if (error instanceof QuantscopeError && error.code !== 'CANCELLED') return error;
    throw error;
  }
}

/**
 * The files of weights of a model, or those with digests where it cannot be opened.
 * @throws QuantscopeError why it cannot be opened where there are none either.
 */
export async function weightFiles(
  models: OpenModels,
  { path, alone = false }: ModelRef,
  signal: AbortSignal,
): Promise<string[]> {
  const ref = { path, alone };
  const unopened = await problemOfOpening(models, ref, signal);
  if (!unopened)
    return models.use(ref, signal, (model) => Promise.resolve(filesOfWeights(model.description)));
  const files = await filesWithDigests(ref.path);
  if (files.length === 0) throw unopened;
  return files;
}

function withFaults(result: VerifyResult, more: readonly Fault[]): VerifyResult {
  const faults = [...result.faults, ...more];
  const names = more.flatMap(({ tensor }) => tensor ?? []);
  return {
    ...result,
    faults: faults.slice(0, maxFaults),
    omitted: result.omitted + Math.max(0, faults.length - maxFaults),
    damaged: [...new Set([...result.damaged, ...names])].slice(0, maxFaults),
  };
}

/** The file with the one of its weights beside it, or all files of a folder, as far as digests were written with them. */
async function filesWithDigests(path: string): Promise<string[]> {
  const found = await stat(path).catch(() => undefined);
  const candidates = found?.isDirectory()
    ? (await readdir(path)).sort().map((name) => join(path, name))
    : [path, `${path}_data`];
  const files: string[] = [];
  for (const file of candidates)
    if ((await statIfPresent(manifestPath(file))) && dirname(file) !== file) files.push(file);
  return files;
}
