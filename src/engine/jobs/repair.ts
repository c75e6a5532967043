import { resolve } from 'node:path';
import { readManifest, type DigestManifest, type Origin } from '../../files/digests/manifest';
import { inputsOf } from '../../files/inputs';
import { remakeCheckpoint } from '../../exporter/repair/remakeCheckpoint';
import { codesEvidence } from '../../exporter/codes/codeFinder';
import {
  checkSource,
  objectiveOf,
  remakeConverted,
  remakeGguf,
  remakeMmproj,
} from '../../exporter/repair/remake';
import {
  damagedTensors,
  repairedPath,
  repairFile,
  type DamagedFile,
  type Remake,
} from '../../exporter/repair/repairFile';
import { manifestPath } from '../../files/digests/manifest';
import { openFileSource } from '../../model/byteSource';
import { QuantscopeError } from '../../model/errors';
import { readImatrix } from '../../model/imatrix';
import { isRecord } from '../../model/json';
import type { Model } from '../../model/model';
import type { RepairParams, RepairResult } from '../../protocol/verify';
import { said } from '../../protocol/said';
import type { EvidenceSource } from '../../quant/evidence';
import { latestEvidence } from '../evaluation/obtainEvidence';
import { checkParams, modelKinds, type Job, type JobContext } from '../job';
import type { OpenModels } from '../models';
import { prepareRecipe } from '../prepareRecipe';
import { checkRecordedSettings } from './recordedSettings';
import { weightFiles } from './verify';

const repairKinds = {
  ...modelKinds,
  source: 'path',
  out: 'path',
  imatrix: 'path?',
  cacheDir: 'path?',
} as const;

/** Makes the damaged tensors of files again from the model that they were made of, with adapters where it had some. */
export function repairJob(models: OpenModels): Job<'model/repair'> {
  return async (params, context) => {
    checkParams('model/repair', params, repairKinds);
    const start = performance.now();
    const open: DamagedFile[] = [];
    try {
      for (const path of await weightFiles(models, { ...params, adapters: [] }, context.signal)) {
        const manifest = await readManifest(path, context.signal);
        if (!manifest) throw unknownContent(path);
        open.push({ source: await openFileSource(path), manifest });
      }
      const files = await repair(models, open, params, context);
      return { out: resolve(params.out), files, seconds: (performance.now() - start) / 1000 };
    } finally {
      for (const { source } of open) await source.close();
    }
  };
}

const unknownContent = (file: string): QuantscopeError =>
  new QuantscopeError('REQUEST', said`No digests were written with the file: it is not known what it held.`, {
    file,
  });

async function repair(
  models: OpenModels,
  open: readonly DamagedFile[],
  params: RepairParams,
  context: JobContext,
): Promise<RepairResult['files']> {
  const { signal } = context;
  const found: { file: DamagedFile; damaged: ReadonlySet<string> }[] = [];
  for (const file of open) {
    const damaged = await damagedTensors(file, signal);
    if (damaged.size > 0 || file.source.size < file.manifest.bytes) found.push({ file, damaged });
  }
  if (found.length === 0) return [];
  const { source, adapters = [] } = params;
  return models.use({ path: source, adapters }, signal, async (model) => {
    const inputs = await inputsOf(
      model.description,
      params.imatrix,
      ...open.map(({ source }) => source.path),
    );
    const targets = found.map(({ file }) => repairedPath(file.source.path, params.out));
    await inputs.check(targets.flatMap((target) => [target, manifestPath(target)]));
    for (const { file, damaged } of found) {
      const remake = metered(await remakerOf(model, file, params, context), file.manifest, damaged, context);
      await repairFile(file, params.out, { damaged, remake, inputs, signal });
    }
    return found.map(({ damaged }, i) => ({ file: targets[i]!, tensors: [...damaged] }));
  });
}

/** How the tensors of a file are made again. @throws QuantscopeError REQUEST, UNSUPPORTED where they cannot. */
async function remakerOf(
  model: Model,
  { source, manifest }: DamagedFile,
  { imatrix, cacheDir }: RepairParams,
  context: JobContext,
): Promise<Remake> {
  const { origin } = manifest;
  const { signal } = context;
  if (origin) checkSource(origin, model, source.path);
  switch (origin?.action) {
    case 'gguf':
      if (!origin.settings) throw notMadeAgain(source.path); // a refinement trained its weights
      checkRecordedSettings('gguf', origin.settings, source.path);
      return remakeGguf(model, manifest, source.path, {
        imatrix: imatrix === undefined ? undefined : await readImatrix(imatrix, signal),
        evidence: await optimisedEvidence(model, manifest, cacheDir, source.path),
        signal,
      });
    case 'convert':
      checkRecordedSettings('convert', origin.settings ?? {}, source.path);
      return remakeConverted(model, manifest, { signal });
    case 'mmproj':
      checkRecordedSettings('mmproj', origin.settings ?? {}, source.path);
      return remakeMmproj(model, manifest, { signal });
    case 'checkpoint':
      return remakeCheckpoint(model, manifest, source.path, {
        prepare: (plan) =>
          prepareRecipe(
            model,
            plan,
            { ...(cacheDir === undefined ? {} : { cacheDir }), textHash: textOf(origin) },
            context,
          ),
        signal,
      });
    case 'onnx':
    case 'layers':
    case 'adapter':
    case undefined:
      throw notMadeAgain(source.path);
  }
}

/** The hash of the text that a checkpoint was calibrated on. */
function textOf({ settings }: Origin): string | undefined {
  const text = settings?.['text'];
  return typeof text === 'string' ? text : undefined;
}

const notMadeAgain = (file: string): QuantscopeError =>
  new QuantscopeError(
    'UNSUPPORTED',
    said`Tensors of such a file are not made again one by one: write the file again.`,
    { file },
  );

/** What was measured over the text of optimised codes. @throws QuantscopeError REQUEST where it is not kept any more. */
async function optimisedEvidence(
  model: Model,
  { origin }: DigestManifest,
  cacheDir: string | undefined,
  file: string,
): Promise<EvidenceSource | undefined> {
  const optimised = origin?.settings?.['optimised'];
  const objective = objectiveOf(origin?.settings);
  if (!isRecord(optimised) || !objective) return undefined;
  const hash = String(optimised['text']);
  const needs = [codesEvidence(objective)];
  const kept = cacheDir === undefined ? undefined : await latestEvidence(model, needs, cacheDir, hash);
  if (kept) return kept;
  const message = said`The codes were optimised over a text, and what was measured there is not kept: export the file again.`;
  throw new QuantscopeError('REQUEST', message, { file });
}

/** Reports bytes that were made again. */
function metered(
  remake: Remake,
  { tensors }: DigestManifest,
  damaged: ReadonlySet<string>,
  { progress }: JobContext,
): Remake {
  const total = tensors.reduce((sum, { name, bytes }) => sum + (damaged.has(name) ? bytes : 0), 0);
  let done = 0;
  return (names, write) =>
    remake(names, async (tensor, bytes) => {
      if (names.has(tensor)) done += bytes.length;
      progress({ message: tensor, done, total, unit: 'bytes' });
      await write(tensor, bytes);
    });
}
