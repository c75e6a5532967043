import { readdir } from 'node:fs/promises';
import { join } from 'node:path';
import { manifestPath, readManifest } from '../../files/digests/manifest';
import { QuantscopeError, throwIfCancelled } from '../../model/errors';
import { modelHash } from '../../model/identity';
import type { Model } from '../../model/model';
import type { KeptEvaluation, KeptMeasurements, MadeFile } from '../../protocol/besideModel';
import type { EvaluationResult } from '../../protocol/evaluation';
import type { StoredParams } from '../../protocol/sensitivityRun';
import { ResultStore } from '../evaluation/resultStore';
import { checkParams, type Job } from '../job';
import type { OpenModels } from '../models';
import { savedPlansOf } from './plans';
import { readStoredTable, storedKinds } from './sensitivity';

/** Lists of digests that are read to find the files of a model. */
const maxManifests = 256;

const digestsEnding = manifestPath('');

/** What was made from a model so far. */
export function besideModelJob(models: OpenModels): Job<'model/beside'> {
  return (params, { signal }) => {
    const kinds = { ...storedKinds, evaluationDir: 'path', among: 'paths' } as const;
    checkParams('model/beside', params, kinds);
    const { evaluationDir, among } = params;
    return models.use(params, signal, async (model) => {
      const hash = modelHash(model.description);
      const measurements = await measurementsOf(model, params, signal);
      return {
        plans: await savedPlansOf(model, signal),
        ...(measurements ? { measurements } : {}),
        evaluations: (await new ResultStore(evaluationDir).list(hash)).map(keptEvaluation),
        made: await madeFrom(hash, [...(await digestedFiles(model.folder)), ...among], signal),
      };
    });
  };
}

async function measurementsOf(
  model: Model,
  params: StoredParams,
  signal: AbortSignal,
): Promise<KeptMeasurements | undefined> {
  const table = await readStoredTable(model, params, signal);
  const tensors = table?.rows.filter(({ cells }) => cells.length > 0).length ?? 0;
  if (!table || tensors === 0) return undefined;
  return { tensors, ...(table.gainsFrom ? { text: table.gainsFrom.text } : {}) };
}

const keptEvaluation = ({ id, at, variant, text }: EvaluationResult): KeptEvaluation => ({
  ...{ id, at, variant },
  ...(text ? { text: text.path, perplexity: text.perplexity.value } : {}),
  ...(text?.divergence ? { divergence: text.divergence.mean.value } : {}),
});

/** Files of a folder that have digests; none of one that cannot be listed, as on a server. */
async function digestedFiles(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => []);
  const files = names.filter((name) => name.endsWith(digestsEnding));
  return files.map((name) => join(folder, name.slice(0, -digestsEnding.length)));
}

/** Those of the files whose digests name the model as their origin; a damaged list of digests says nothing. */
async function madeFrom(hash: string, files: readonly string[], signal: AbortSignal): Promise<MadeFile[]> {
  const made: MadeFile[] = [];
  for (const file of [...new Set(files)].sort().slice(0, maxManifests)) {
    throwIfCancelled(signal);
    const origin = await originOf(file, signal);
    if (origin?.source.hash === hash) made.push({ file, action: origin.action });
  }
  return made;
}

async function originOf(file: string, signal: AbortSignal) {
  try {
    return (await readManifest(file, signal))?.origin;
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    return undefined;
  }
}
