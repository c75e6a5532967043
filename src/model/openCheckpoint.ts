import { basename } from 'node:path';
import type { ModelFileIdentity } from '../protocol/model';
import { said } from '../protocol/said';
import type { ByteSource, OpenSource } from './byteSource';
import type { CheckpointHeader } from './checkpointHeader';
import { QuantscopeError, throwIfCancelled } from './errors';
import { fileKind } from './fileKind';
import { Heads } from './heads';
import { fileIdentity } from './identity';
import { inParallel } from './inParallel';
import { configEntries, readConfig } from './jsonFiles';
import { linkTarget, maxLinkText } from './linkTarget';
import type { OpenFiles } from './model';
import type { FileMetadata, ModelContent } from './modelContent';
import { nameFromPath } from './modelName';
import { exists } from './place';
import { headerReaders, type CheckpointFormat, type ReadHeader } from './readHeader';
import {
  openModuleWeights,
  readSentenceModules,
  type ModuleWeights,
  type SentenceModules,
} from './sentenceModules';
import { mergeShards, type Shard } from './shards';
import { membersOf, withTensorsOf } from './tabledModel';
import type { WeightFiles } from './weightFiles';

/**
 * Headers of a checkpoint of one or several files, and its config.json.
 * @param format of the files.
 * @throws QuantscopeError MODEL_FILE or IO when no file can be opened, MODEL_FILE when files contradict each other.
 */
export async function openCheckpoint(
  weights: WeightFiles,
  format: CheckpointFormat,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<Pick<OpenFiles, 'content' | 'metadataOfFiles'>> {
  const { files, folder, index, part } = weights;
  const opened = await openWeights(weights, headerReaders[format], open, signal);
  const { shards, metadataOfFiles, notes, dangers, ...merged } = membersOf(opened);
  const { config, identity: configFile, problem } = await readConfig(folder, signal);
  const around = await openModules(weights, open, signal);
  const allDangers = [...dangers, ...around.dangers];
  const architecture = config?.['model_type'];
  const members: Omit<ModelContent, 'tensors'> = {
    format,
    name: nameFromPath(folder, basename(index?.path ?? files[0] ?? '').replace(/\.index\..*$/i, '')),
    ...(typeof architecture === 'string' ? { architecture } : {}),
    ...(config ? { config } : {}),
    ...(problem ? { configProblem: problem } : {}),
    ...(part ? { part } : {}),
    ...(around.modules.length > 0 ? { modules: around.modules } : {}),
    ...(around.problem ? { modulesProblem: around.problem } : {}),
    files: [...shards, ...defined(index?.identity, configFile), ...around.files],
    weightFiles: { present: shards.length, total: files.length },
    ...merged,
    metadata: [...merged.metadata, ...(config ? configEntries(config) : [])],
    warnings: [
      ...merged.warnings,
      ...defined(
        problem && `config.json cannot be used: ${problem.message}`,
        around.problem && `The modules of modules.json cannot be used: ${around.problem.message}`,
      ),
    ],
    notes: [...weights.notes, ...notes],
    ...(allDangers.length > 0 ? { dangers: allDangers } : {}),
  };
  const content =
    around.tensors.length === 0
      ? withTensorsOf(members, opened)
      : { ...members, tensors: [...opened.tensors, ...around.tensors] };
  return { content, metadataOfFiles };
}

const defined = <T>(...items: (T | undefined)[]): T[] => items.filter((item) => item !== undefined);

/** The steps of an embedding model around the model itself; one shard alone has none. */
async function openModules(
  { folder, part }: WeightFiles,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<SentenceModules & ModuleWeights> {
  if (part?.alone) return { modules: [], tensors: [], files: [], dangers: [] };
  const { modules, files, problem } = await readSentenceModules(folder, signal);
  if (problem) return { modules, tensors: [], files, dangers: [], problem };
  try {
    const weights = await openModuleWeights(folder, modules, open, signal);
    return { modules, ...weights, files: [...files, ...weights.files] };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code === 'CANCELLED') throw error;
    return { modules, tensors: [], files, dangers: [], problem: error };
  }
}

/** Shards whose headers are read at the same time: network disks answer slowly. */
const shardsAtOnce = 8;

interface Opened extends Pick<
  Required<CheckpointHeader>,
  'tensors' | 'metadata' | 'warnings' | 'notes' | 'dangers'
> {
  readonly metadataOfFiles: FileMetadata;
  readonly missingFiles: readonly string[];
  readonly shards: readonly ModelFileIdentity[];
}

function openWeights(
  weights: WeightFiles,
  readHeader: ReadHeader,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<Opened> {
  const [first, ...others] = weights.files;
  return first === undefined || others.length > 0 || weights.index
    ? openShards(weights, readHeader, open, signal)
    : openSingle(first, readHeader, open, signal);
}

async function openSingle(
  file: string,
  readHeader: ReadHeader,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<Opened> {
  const source = await open(file);
  const header = await readHeader(source, signal);
  const { metadata, fileMetadata, warnings, notes = [], dangers = [] } = header;
  const shards = [await fileIdentity(source, header, 1, signal)];
  const metadataOfFiles = new Map([[source.path, fileMetadata]]);
  return withTensorsOf(
    { metadata, metadataOfFiles, warnings, notes, dangers, missingFiles: [], shards },
    header,
  );
}

async function openShards(
  { files, folder, index }: WeightFiles,
  readHeader: ReadHeader,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<Opened> {
  const dictionary = index?.listed.columns?.dictionary;
  const heads = new Heads();
  const read = (source: ByteSource) =>
    heads.use(
      source,
      async (head) => {
        await fileKind(head, { signal });
        return readHeader(head, signal, dictionary);
      },
      signal,
    );
  const shards = await inParallel(files, shardsAtOnce, (file) =>
    openShard(file, files.length, read, open, signal),
  );
  const merged = mergeShards(shards, index?.path ?? folder, index?.listed);
  const { missing, ...members } = membersOf(merged);
  const headers = shards.flatMap(({ header }) => header ?? []);
  return withTensorsOf(
    {
      ...members,
      missingFiles: missing,
      shards: shards.flatMap(({ identity }) => identity ?? []),
      metadataOfFiles: new Map(
        shards.flatMap(({ file, header }) => (header ? [[file!, header.fileMetadata]] : [])),
      ),
      notes: [...new Set(headers.flatMap(({ notes = [] }) => notes))],
      dangers: headers.flatMap(({ dangers = [] }) => dangers),
    },
    merged,
  );
}

/**
 * A missing shard is a state, not an error: the others, or an index alone, are worth showing. So is one that is something else, or of
 * which less than the header is there: an interrupted download.
 */
async function openShard(
  path: string,
  count: number,
  read: (source: ByteSource) => Promise<CheckpointHeader>,
  open: OpenSource,
  signal?: AbortSignal,
): Promise<Shard> {
  const source = await openPresent(path, open, signal);
  if (!source) return { path };
  try {
    const header = await read(source);
    return { path, header, file: source.path, identity: await fileIdentity(source, header, count, signal) };
  } catch (error) {
    if (!(error instanceof QuantscopeError) || error.code !== 'MODEL_FILE') throw error;
    return { path, problem: said`A shard cannot be used: ${error.message}` };
  }
}

/** The file, or the one that it leads to; undefined where there is none. */
async function openPresent(
  path: string,
  open: OpenSource,
  signal: AbortSignal | undefined,
): Promise<ByteSource | undefined> {
  throwIfCancelled(signal);
  let source: ByteSource;
  try {
    source = await open(path);
  } catch (error) {
    if (!(await exists(path, signal))) return undefined;
    throw error;
  }
  const target = source.size > maxLinkText ? undefined : await linkTarget(path);
  return target === undefined ? source : open(target);
}
