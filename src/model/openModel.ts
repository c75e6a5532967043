import { readdir, stat } from 'node:fs/promises';
import { basename, dirname, join, resolve } from 'node:path';
import type { MetadataEntry, ModelDescription, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import { openFileSource, reason, type ByteSource } from './byteSource';
import { QuantscopeError } from './errors';
import { readGguf, type GgufFile } from './gguf';
import { arePartsOfOne, readParts, type GgufPart } from './ggufParts';
import { isRecord } from './json';
import { configEntries, readConfig, readJsonFile } from './jsonFiles';
import { ggufEntry } from './metadataEntries';
import { readSafetensorsHeader } from './safetensors';
import { mergeShards, type Shard } from './shards';

/** An open model: its description, and reads of its tensors. Close it. */
export interface Model {
  readonly description: ModelDescription;
  /** The folder of its files. */
  readonly folder: string;
  /** config.json beside the weights, when there is one. */
  readonly config?: Record<string, unknown>;
  /** Present for GGUF. */
  readonly gguf?: GgufFile;
  /** @throws QuantscopeError REQUEST when there is no tensor of that name. */
  tensor(name: string): TensorDescriptor;
  /** Bytes of a tensor, relative to its start. */
  read(tensor: TensorDescriptor, offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array>;
  /** Fills `target` with bytes of a tensor, from `offset` relative to its start. */
  readInto(tensor: TensorDescriptor, offset: number, target: Uint8Array, signal?: AbortSignal): Promise<void>;
  /** Bytes of the GGUF file itself (to copy metadata). */
  source(file: string): ByteSource;
  close(): Promise<void>;
}

/**
 * Opens a `.safetensors` or `.gguf` file, a `*.safetensors.index.json`, or a folder that holds one of them. Only headers are
 * read.
 * @throws QuantscopeError MODEL_FILE or IO naming file, tensor and offset.
 */
export async function openModel(path: string, signal?: AbortSignal): Promise<Model> {
  const absolute = resolve(path);
  const file = await locate(absolute);
  const sources = new Map<string, ByteSource>();
  const open = async (target: string): Promise<ByteSource> => {
    const source = sources.get(target) ?? (await openFileSource(target));
    sources.set(target, source);
    return source;
  };
  try {
    const parts = file.endsWith('.gguf')
      ? await openGguf(file, open, signal)
      : await openSafetensors(file, open, signal);
    return assemble(absolute, dirname(file), parts, sources);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

type Open = (file: string) => Promise<ByteSource>;

interface Parts {
  readonly format: 'safetensors' | 'gguf';
  readonly architecture?: string;
  readonly files: readonly ModelFileIdentity[];
  readonly missingFiles: readonly string[];
  readonly tensors: readonly TensorDescriptor[];
  readonly metadata: readonly MetadataEntry[];
  readonly warnings: readonly string[];
  readonly config?: Record<string, unknown>;
  readonly gguf?: GgufFile;
}

/** The file to open for a path: itself, or what a folder holds. */
async function locate(path: string): Promise<string> {
  let folder: boolean;
  try {
    folder = (await stat(path)).isDirectory();
  } catch (cause) {
    throw new QuantscopeError('IO', `The path cannot be opened: ${reason(cause)}`, { file: path }, cause);
  }
  if (!folder) {
    if (/\.(safetensors|gguf|safetensors\.index\.json)$/.test(path)) return path;
    throw new QuantscopeError('REQUEST', 'This is no .safetensors, .gguf or .safetensors.index.json file.', {
      file: path,
    });
  }
  const names = (await readdir(path)).sort();
  const index = names.find((name) => name.endsWith('.safetensors.index.json'));
  const weights = names.filter((name) => name.endsWith('.safetensors'));
  const ggufs = names.filter((name) => name.endsWith('.gguf'));
  const chosen =
    index ??
    weights.find((name) => name === 'model.safetensors') ??
    only(weights) ??
    (arePartsOfOne(ggufs) ? ggufs[0] : only(ggufs));
  if (chosen !== undefined) return join(path, chosen);
  const found = [...weights, ...ggufs];
  const message =
    found.length === 0
      ? 'The folder holds no .safetensors or .gguf file.'
      : `The folder holds several models (${found.slice(0, 5).join(', ')}); name one of them.`;
  throw new QuantscopeError('REQUEST', message, { file: path });
}

const only = (names: readonly string[]): string | undefined => (names.length === 1 ? names[0] : undefined);

async function openGguf(file: string, open: Open, signal?: AbortSignal): Promise<Parts> {
  const source = await open(file);
  const opened = await readGguf(source, signal);
  const parts = await readParts(file, opened, open, signal);
  const first = parts?.[0];
  if (parts && !first?.gguf)
    throw new QuantscopeError('IO', 'The first part of the split model, which describes it, is not here.', {
      file: first?.path ?? file,
    });
  const head = first?.gguf ?? opened;
  const present = parts?.flatMap((part) => (part.gguf && part.source ? [part as Required<GgufPart>] : []));
  const missing = parts?.filter((part) => !part.gguf).map(({ path }) => basename(path)) ?? [];
  const tensors = present?.flatMap((part) => part.gguf.tensors) ?? head.tensors;
  const gguf: GgufFile = { ...head, tensors };
  const metadata = [...gguf.metadata].map(([key, value]) =>
    ggufEntry(key, value, basename(first?.path ?? file)),
  );
  const architecture = gguf.metadata.get('general.architecture')?.scalar;
  return {
    format: 'gguf',
    ...(typeof architecture === 'string' ? { architecture } : {}),
    files: present?.map((part) => identity(part.source, part.gguf.headerHash)) ?? [
      identity(source, gguf.headerHash),
    ],
    missingFiles: missing,
    tensors,
    metadata,
    warnings: [
      ...(present?.flatMap((part) => part.gguf.warnings) ?? gguf.warnings),
      ...(missing.length === 0
        ? []
        : [`${missing.length} of ${parts?.length} parts are not here: ${missing.slice(0, 3).join(', ')}.`]),
    ],
    gguf,
  };
}

async function openSafetensors(file: string, open: Open, signal?: AbortSignal): Promise<Parts> {
  const { shards, missing, warnings, tensors, files, metadata } = file.endsWith('.json')
    ? await openShards(file, open, signal)
    : await openSingle(file, open, signal);
  const config = await readConfig(dirname(file));
  const architecture = config?.['model_type'];
  return {
    format: 'safetensors',
    ...(typeof architecture === 'string' ? { architecture } : {}),
    ...(config ? { config } : {}),
    files: [...files, ...shards],
    missingFiles: missing,
    tensors,
    metadata: [...metadata, ...(config ? configEntries(config) : [])],
    warnings,
  };
}

async function openSingle(file: string, open: Open, signal?: AbortSignal) {
  const source = await open(file);
  const header = await readSafetensorsHeader(source, signal);
  const { tensors, metadata, warnings } = header;
  return {
    tensors,
    metadata,
    warnings,
    missing: [],
    shards: [identity(source, header.headerHash)],
    files: [],
  };
}

async function openShards(file: string, open: Open, signal?: AbortSignal) {
  const { value: index, hash, size, mtimeMs } = await readJsonFile(file);
  const map = isRecord(index) ? index['weight_map'] : undefined;
  if (!isRecord(map))
    throw new QuantscopeError('MODEL_FILE', 'The index has no weight_map.', { file, offset: 0 });
  const shards: Shard[] = [];
  for (const name of new Set(Object.values(map))) {
    if (typeof name !== 'string' || basename(name) !== name) {
      throw new QuantscopeError(
        'MODEL_FILE',
        `The index names the shard ${JSON.stringify(name)}, which is no file name.`,
        { file, offset: 0 },
      );
    }
    shards.push(await openShard(join(dirname(file), name), open, signal));
  }
  const merged = mergeShards(map as Record<string, string>, shards, file);
  const files: ModelFileIdentity[] = [{ path: file, size, mtimeMs, headerHash: hash }];
  return { ...merged, files, shards: shards.flatMap((shard) => (shard.identity ? [shard.identity] : [])) };
}

/** A shard that is not there is a state, not an error: an index alone is worth looking at. */
async function openShard(path: string, open: Open, signal?: AbortSignal): Promise<Shard> {
  try {
    await stat(path);
  } catch {
    return { path, tensors: [], metadata: [], warnings: [] };
  }
  const source = await open(path);
  const header = await readSafetensorsHeader(source, signal);
  return { path, ...header, identity: identity(source, header.headerHash) };
}

function identity(source: ByteSource, headerHash: string): ModelFileIdentity {
  return { path: source.path, size: source.size, mtimeMs: source.mtimeMs, headerHash };
}

function assemble(path: string, folder: string, parts: Parts, sources: Map<string, ByteSource>): Model {
  const { gguf, config, ...described } = parts;
  const byName = new Map(parts.tensors.map((tensor) => [tensor.name, tensor]));
  const source = (file: string): ByteSource => {
    const found = sources.get(file);
    if (!found) throw new QuantscopeError('IO', 'The file is not open.', { file });
    return found;
  };
  return {
    description: {
      path,
      ...described,
      ...(gguf ? { version: gguf.version } : {}),
      parameters: parts.tensors.reduce((sum, tensor) => sum + tensor.elements, 0),
      dataBytes: parts.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    },
    folder,
    ...(config ? { config } : {}),
    ...(gguf ? { gguf } : {}),
    tensor(name) {
      const tensor = byName.get(name);
      if (!tensor)
        throw new QuantscopeError('REQUEST', 'The model has no such tensor.', { file: path, tensor: name });
      return tensor;
    },
    read(tensor, offset, length, signal) {
      return source(tensor.file).read(tensor.offset + offset, length, signal);
    },
    readInto(tensor, offset, target, signal) {
      return source(tensor.file).readInto(target, tensor.offset + offset, signal);
    },
    source,
    close: () => closeAll(sources),
  };
}

async function closeAll(sources: Map<string, ByteSource>): Promise<void> {
  await Promise.all([...sources.values()].map((source) => source.close()));
  sources.clear();
}
