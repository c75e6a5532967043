import { mkdir, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { makeFolderAtomically } from '../../files/atomicFolder';
import { manifestPath, type Origin } from '../../files/digests/manifest';
import { inputsOf, type Inputs } from '../../files/inputs';
import { QuantscopeError } from '../../model/errors';
import { configName } from '../../model/jsonFiles';
import type { Model } from '../../model/model';
import type { ConvertPreview, ConvertResult, ConvertSettings } from '../../protocol/convert';
import type { EngineProgress } from '../../protocol/engine';
import { said } from '../../protocol/said';
import { printPython } from '../checkpoint/jsonText';
import { outputFolder, recordName } from '../checkpoint/outputFolder';
import { recordOfSource } from '../checkpoint/report';
import { planShards, shardIndex, type PlannedShard } from '../checkpoint/shards';
import { copyFiles } from '../checkpoint/smallFiles';
import { ensureFreeSpace } from '../diskSpace';
import { originOf } from '../origin';
import { folderFiles, type FolderFiles } from './folderFiles';
import { metadataOf } from './metadataOf';
import type { ConversionPlan } from './conversionPlan';
import { planConversion } from './planConversion';
import { ConversionWriter, type ConvertedUnit } from './conversionWriter';

/** Where a conversion goes, and in how many files. */
export interface ConvertTarget {
  /** A file whose name ends in ".safetensors", else a folder. */
  readonly out: string;
  readonly maxShardBytes?: number | undefined;
  readonly single?: boolean | undefined;
  readonly overwrite?: boolean | undefined;
}

export interface ConvertOptions {
  readonly signal?: AbortSignal | undefined;
  readonly onProgress?: ((progress: EngineProgress) => void) | undefined;
}

/** Room for small files, headers and rounding to blocks of the file system (bytes), and for what a tensor adds to them. */
const otherBytes = 1024 * 1024;
const bytesOfTensor = 1024;

/** Everything about a conversion but the weights. */
interface Prepared {
  readonly plan: ConversionPlan;
  readonly shards: readonly PlannedShard<ConvertedUnit>[];
  /** Absent for a single file. */
  readonly folder?: { readonly path: string; readonly files: FolderFiles };
  readonly metadata: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  readonly origin: Origin;
  /** The files of the model, as they are since before they were compared with the target. */
  readonly inputs: Inputs;
}

/** Dry run: reads no weights, writes nothing. @throws QuantscopeError as `convertModel` but for weights. */
export async function previewConversion(
  model: Model,
  settings: ConvertSettings,
  target: ConvertTarget,
  signal?: AbortSignal,
): Promise<ConvertPreview> {
  const { plan, shards, folder, notes } = await prepare(model, settings, target, signal);
  return {
    tensors: plan.tensors.map(({ name, from, dtype, bytes }) => ({ name, from, to: dtype, bytes })),
    files: shards.map(({ name, units, dataBytes }) => ({ name, bytes: dataBytes, tensors: units.length })),
    others: folder ? [...folder.files.texts.keys(), ...folder.files.copied].sort() : [],
    notes,
  };
}

/**
 * Writes the tensors of a model as safetensors: one file, or a folder with all that belongs to a checkpoint. The output appears when all of it
 * is complete and durable; after an error or a cancellation nothing is left, and what was there is as before. Memory is bounded by a slab.
 * @throws QuantscopeError REQUEST for a target that must not be replaced or settings that do not fit; UNSUPPORTED for tensors that cannot be
 * read; MODEL_FILE naming a weight that does not fit into the dtype; IO; CANCELLED.
 */
export async function convertModel(
  model: Model,
  settings: ConvertSettings,
  target: ConvertTarget,
  options: ConvertOptions = {},
): Promise<ConvertResult> {
  const prepared = await prepare(model, settings, target, options.signal);
  const { plan, shards, folder, notes } = prepared;
  const writer = new ConversionWriter(model, plan, settings, options);
  const written = folder
    ? await writeFolder(model, prepared, target, writer)
    : await writer.file(target.out, prepared);
  return {
    ...written,
    tensors: plan.tensors.length,
    files: shards.map(({ name }) => name),
    notes: [...notes, ...writer.notes],
  };
}

async function prepare(
  model: Model,
  settings: ConvertSettings,
  target: ConvertTarget,
  signal: AbortSignal | undefined,
): Promise<Prepared> {
  const isFile = /\.safetensors$/i.test(target.out);
  refuseTarget(target, isFile);
  if (!isFile) refusePart(model, target);
  const inputs = await inputsOf(model.description);
  if (isFile) await inputs.check([target.out]);
  const plan = await planConversion(model, settings, signal);
  const units = plan.tensors.map((planned): ConvertedUnit => ({ planned, parts: [planned] }));
  const shards = shardsOf(model, units, isFile || target.single ? Infinity : target.maxShardBytes);
  const { metadata, notes: left } = await metadataOf(model, plan);
  const notes = [...plan.notes, ...(isFile ? [] : (plan.notesOfFiles ?? [])), ...left];
  const stated = Object.entries(settings).filter(([, value]) => value !== undefined);
  const origin = originOf(model, 'convert', stated.length > 0 ? Object.fromEntries(stated) : undefined);
  const prepared = { plan, metadata, notes, origin, inputs };
  if (isFile)
    return { ...prepared, shards: shards.map((shard) => ({ ...shard, name: basename(target.out) })) };
  const path = await outputFolder(target.out, model.description, target.overwrite);
  return { ...prepared, shards, folder: { path, files: await folderFiles(model, plan) } };
}

/** What names of weights begin with: Mistral's own programs look for "consolidated" next to a params.json. */
const stemOf = (config: Model['config']): string =>
  configName(config) === 'params.json' ? 'consolidated' : 'model';

const shardsOf = (
  { config }: Model,
  units: readonly ConvertedUnit[],
  most: number | undefined,
): PlannedShard<ConvertedUnit>[] =>
  planShards(units, most).map((shard) => ({ ...shard, name: shard.name.replace(/^model/, stemOf(config)) }));

/** @throws QuantscopeError REQUEST for settings of folders that mean nothing for a file, and for two that exclude each other. */
function refuseTarget({ out, maxShardBytes, single, overwrite }: ConvertTarget, isFile: boolean): void {
  const refuse = (message: string): never => {
    throw new QuantscopeError('REQUEST', message, { file: out });
  };
  if (isFile && (maxShardBytes !== undefined || single))
    refuse(said`The output is one file; the number of files is chosen for a folder.`);
  if (isFile && overwrite)
    refuse(said`A file is replaced without being asked; only folders need --overwrite.`);
  if (maxShardBytes !== undefined && single)
    refuse(said`A largest size of files (--max-shard-size) and a single file (--single) exclude each other.`);
}

/** @throws QuantscopeError REQUEST for one file of a model, which is no checkpoint. */
function refusePart({ description }: Model, { out }: ConvertTarget): void {
  const { part } = description;
  if (part?.alone !== true) return;
  const message = said`${part.file} alone is file ${part.number} of ${part.count} of a model, so that no folder of a checkpoint is made of it: choose a name that ends in ".safetensors", or convert the whole model.`;
  throw new QuantscopeError('REQUEST', message, { file: out });
}

async function writeFolder(
  model: Model,
  prepared: Prepared,
  target: ConvertTarget,
  writer: ConversionWriter,
): Promise<Pick<ConvertResult, 'out' | 'bytes'>> {
  const { plan, shards, folder, inputs } = prepared;
  const { path, files } = folder!;
  const bytes = plan.tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  await ensureFreeSpace(path, bytes + otherBytes + bytesOfTensor * plan.tensors.length, 'The checkpoint');
  return makeFolderAtomically(path, async (temporary) => {
    let written = 0;
    for (const shard of shards) written += await writer.shard(temporary, shard, prepared);
    await copyFiles(model.folder, files.copied, temporary);
    for (const [name, text] of textsOf(model, prepared)) {
      await mkdir(dirname(join(temporary, name)), { recursive: true });
      await writeFile(join(temporary, name), text);
    }
    writer.throwIfCancelled();
    await inputs.ensureUnchanged();
    await outputFolder(target.out, model.description, target.overwrite); // it may have changed meanwhile
    return { out: path, bytes: written };
  });
}

/** Texts of a folder by their names: the index of several files, and the record that marks the folder as an output. */
function textsOf(
  { description, config }: Model,
  { plan, shards, folder, origin }: Prepared,
): ReadonlyMap<string, string | Uint8Array> {
  const { texts, copied } = folder!.files;
  const all = new Map(texts);
  if (shards.length > 1)
    all.set(`${stemOf(config)}.safetensors.index.json`, `${printPython(indexOf(plan, shards))}\n`);
  const weights = shards.flatMap(({ name }) => [name, manifestPath(name)]);
  const record = {
    ...recordOfSource(description),
    conversion: origin.settings ?? {},
    files: [...weights, ...all.keys(), ...copied].sort(),
  };
  return all.set(recordName, `${JSON.stringify(record, undefined, 2)}\n`);
}

function indexOf(
  { tensors }: ConversionPlan,
  shards: readonly PlannedShard<ConvertedUnit>[],
): Record<string, unknown> {
  const files = shards.flatMap(({ name, units }) =>
    units.map(({ planned }) => [planned.name, name] as const),
  );
  const elements = tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
  const bytes = tensors.reduce((sum, tensor) => sum + tensor.bytes, 0);
  return shardIndex(new Map(files), bytes, elements);
}
