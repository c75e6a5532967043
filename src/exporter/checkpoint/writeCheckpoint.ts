import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { makeFolderAtomically } from '../../files/atomicFolder';
import { manifestPath } from '../../files/digests/manifest';
import { inputsOf, type Inputs } from '../../files/inputs';
import { joinPlace, readPlace } from '../../model/place';
import { throwIfCancelled } from '../../model/errors';
import type { Model } from '../../model/model';
import type { QuantizedWeight } from '../../protocol/quantizeModel';
import { ensureFreeSpace } from '../diskSpace';
import { checkpointOrigin } from '../origin';
import { copiedBytes, copyFiles, filesToCopy } from './smallFiles';
import { printPython, withKeys, withoutQuantization } from './jsonText';
import { outputFolder, recordName } from './outputFolder';
import { CheckpointRun, type RunOptions } from './checkpointRun';
import type { CheckpointPlan } from './plan';
import { describeRun, recordOf, type RunFacts } from './report';
import { ShardFile } from './shardFile';
import { shardIndex } from './shards';

export interface CheckpointOptions extends RunOptions {
  readonly overwrite?: boolean | undefined;
  /** Files that were read besides the model. */
  readonly alsoRead?: readonly (string | undefined)[];
}

export interface WrittenCheckpoint {
  /** The folder. */
  readonly out: string;
  readonly weights: readonly QuantizedWeight[];
  /** Σ‖ŵ − w‖² / Σ‖w‖² over all matrices that were quantized. */
  readonly relativeError: number;
  readonly notes: readonly string[];
}

/** Room for config.json, README.md and rounding to blocks of the file system (bytes). */
const otherBytes = 1024 * 1024;
/** Most bytes of a tensor's lines in headers, the index, quantscope.json and README.md. */
const bytesOfTensor = 2048;

/**
 * Writes a quantized checkpoint as a folder, atomically: it appears when all of it is complete and durable. After an error or a cancellation
 * nothing is left, and a folder of an earlier run is there as before.
 * @throws QuantscopeError REQUEST for a target that must not be replaced, or missing evidence; MODEL_FILE for weights that are not finite; IO;
 * CANCELLED.
 */
export async function writeCheckpoint(
  model: Model,
  plan: CheckpointPlan,
  out: string,
  options: CheckpointOptions = {},
): Promise<WrittenCheckpoint> {
  const { description } = model;
  const target = await checkedFolder(model, plan, out, options.overwrite);
  const inputs = await inputsOf(description, ...(options.alsoRead ?? []));
  return makeFolderAtomically(target, async (folder) => {
    const facts = await writeShards(model, plan, folder, options);
    await writeOtherFiles(model, plan, folder, facts);
    await checkAtTheEnd(inputs, options.signal);
    await outputFolder(out, description, options.overwrite); // it may have changed meanwhile
    return { out: target, ...facts };
  });
}

/**
 * The folder that a checkpoint would be written to, for a check before minutes of calibration.
 * @throws QuantscopeError as `outputFolder`; IO where the checkpoint does not fit.
 */
export async function checkedFolder(
  model: Model,
  { shards, tensors }: CheckpointPlan,
  out: string,
  overwrite?: boolean,
): Promise<string> {
  const folder = await outputFolder(out, model.description, overwrite);
  const others = (await copiedBytes(model)) + otherBytes + bytesOfTensor * tensors.length;
  const bytes = shards.reduce((sum, { dataBytes }) => sum + dataBytes, others);
  await ensureFreeSpace(folder, bytes, 'The checkpoint');
  return folder;
}

/** Writes the shards, one after the other. */
async function writeShards(
  model: Model,
  plan: CheckpointPlan,
  folder: string,
  options: RunOptions,
): Promise<RunFacts> {
  const run = new CheckpointRun(model, plan, options);
  const origin = checkpointOrigin(model, plan.recipe, options.evidence);
  const bytesOfPart = new Map<string, number>();
  for (const { name, units } of plan.shards) {
    const parts = units.flatMap((unit) => unit.parts);
    const file = await ShardFile.create(join(folder, name), parts, plan.metadata);
    try {
      for (const unit of units) await run.writeUnit(file, unit);
      for (const [part, bytes] of await file.finish(origin)) bytesOfPart.set(part, bytes);
    } finally {
      await file.close();
    }
  }
  return { ...run.facts, bytesOfPart };
}

async function checkAtTheEnd(inputs: Inputs, signal: AbortSignal | undefined): Promise<void> {
  throwIfCancelled(signal);
  await inputs.ensureUnchanged();
}

/** Everything but weights: configuration, index, copied files, what was done. */
async function writeOtherFiles(
  model: Model,
  plan: CheckpointPlan,
  folder: string,
  facts: RunFacts,
): Promise<void> {
  const config = Buffer.from(await readPlace(joinPlace(model.folder, 'config.json'))).toString();
  const copied = await filesToCopy(model);
  await copyFiles(model.folder, copied, folder);
  const texts = new Map<string, string>([['config.json', `${configText(config, plan)}\n`]]);
  for (const [name, content] of Object.entries(plan.files)) texts.set(name, `${printPython(content)}\n`);
  if (plan.shards.length > 1)
    texts.set('model.safetensors.index.json', `${printPython(indexOf(plan, facts))}\n`);
  texts.set('README.md', describeRun(model, plan, facts));
  const shards = plan.shards.flatMap(({ name }) => [name, manifestPath(name)]);
  const files = [...shards, ...texts.keys(), ...copied].sort();
  texts.set(recordName, `${JSON.stringify(recordOf(model, plan, facts, files), undefined, 2)}\n`);
  for (const [name, content] of texts) await writeFile(join(folder, name), content);
}

/** config.json with what the library says of the quantization, and the dtype that its other weights are in. */
export function configText(
  source: string,
  { writer, quantization }: Pick<CheckpointPlan, 'writer' | 'quantization'>,
): string {
  const stated = JSON.parse(source.replaceAll(/\b(?:NaN|-?Infinity)\b/g, 'null')) as Record<string, unknown>;
  const dtypeKey = 'torch_dtype' in stated && !('dtype' in stated) ? 'torch_dtype' : 'dtype';
  return withKeys(source, {
    ...withoutQuantization,
    quantization_config: quantization,
    ...(writer.plainDtype === undefined ? {} : { [dtypeKey]: 'float16' }),
  });
}

function indexOf({ shards, tensors }: CheckpointPlan, { bytesOfPart }: RunFacts): Record<string, unknown> {
  const files = new Map(
    shards.flatMap(({ name, units }) =>
      units.flatMap(({ parts }) => parts.map((part) => [part.name, name] as const)),
    ),
  );
  const parameters = tensors.reduce((sum, { tensor }) => sum + tensor.elements, 0);
  return shardIndex(
    files,
    [...bytesOfPart.values()].reduce((sum, bytes) => sum + bytes, 0),
    parameters,
  );
}
