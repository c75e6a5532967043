import { readdir, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { verifyFiles, verifyModel } from '../../analysis/verify/verifyModel';
import { manifestPath } from '../../files/digests/manifest';
import { statIfPresent } from '../../files/target';
import { QuantscopeError } from '../../model/errors';
import type { Model } from '../../model/model';
import { maxFaults, type Fault, type VerifyResult } from '../../protocol/verify';
import { planFaults } from '../../ampq/planFaults';
import { readPlan } from '../evaluation/weightVariant';
import { checkParams, modelKinds, type Job } from '../job';
import type { OpenModels } from '../models';

const verifyKinds = { ...modelKinds, quick: 'boolean?', planFile: 'path?' } as const;

/**
 * Files that cannot be opened as a model (ONNX, a damaged header) are checked by their digests alone; without digests the error of
 * opening them is the answer.
 */
export function verifyJob(models: OpenModels): Job<'model/verify'> {
  return async (params, { signal, progress }) => {
    checkParams('model/verify', params, verifyKinds);
    const { path, quick, planFile } = params;
    const options = { quick, signal, onProgress: progress };
    const plan = planFile === undefined ? undefined : await readPlan(planFile);
    const verify = async (model: Model): Promise<VerifyResult> => {
      const result = await verifyModel(model, options);
      return plan ? withFaults(result, planFaults(plan, model.description)) : result;
    };
    let reason: unknown;
    const opened = await models
      .use(params, signal, () => Promise.resolve(true))
      .catch((error: unknown) => {
        reason = error;
        return false;
      });
    if (opened) return models.use(params, signal, verify);
    if (!(reason instanceof QuantscopeError) || reason.code === 'CANCELLED' || plan) throw reason;
    const files = await filesWithDigests(path);
    if (files.length === 0) throw reason;
    const result = await verifyFiles(path, files, options);
    return { ...result, notes: [...result.notes, `Not opened as a model: ${reason.message}`] };
  };
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
