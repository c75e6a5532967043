import { resolve } from 'node:path';
import type { ModelDescription, ModelRef, TensorDescriptor } from '../protocol/model';
import { openFileSource, type ByteSource, type OpenSource } from './byteSource';
import { suggestion } from './closest';
import { QuantscopeError } from './errors';
import type { GgufFile } from './gguf';
import type { ModelContent } from './modelContent';
import { openGguf } from './openGguf';
import { openSafetensors } from './openSafetensors';
import type { SentenceModule } from './sentenceModules';
import { missingBytesOf } from './truncated';
import { findWeightFiles } from './weightFiles';

/** An open model: its description, and reads of its tensors. Close it. */
export interface Model {
  readonly description: ModelDescription;
  /** The folder of its files. */
  readonly folder: string;
  /** config.json next to the weights, when there is one. */
  readonly config?: Record<string, unknown>;
  /** Why the config.json next to the weights cannot be read. */
  readonly configProblem?: QuantscopeError;
  /** The steps of an embedding model of sentence-transformers, when there are any. */
  readonly modules?: readonly SentenceModule[];
  /** Why the modules.json next to the weights, or what it names, cannot be used. */
  readonly modulesProblem?: QuantscopeError;
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
 * Opens a safetensors or GGUF file, an index of shards, or a folder that holds one of them; a file of a larger model opens
 * the whole model unless `alone` is set. Content decides what a file is. Only headers are read.
 * @throws QuantscopeError MODEL_FILE or IO naming file, tensor and offset; REQUEST for a folder without a model.
 */
export async function openModel(model: string | ModelRef, signal?: AbortSignal): Promise<Model> {
  const { path, alone = false } = typeof model === 'string' ? { path: model } : model;
  const absolute = resolve(path);
  const sources = new Map<string, ByteSource>();
  const open: OpenSource = async (target) => {
    const source = sources.get(target) ?? (await openFileSource(target));
    sources.set(target, source);
    return source;
  };
  try {
    const weights = await findWeightFiles({ path: absolute, alone });
    const content =
      weights.format === 'gguf'
        ? await openGguf(weights.files[0]!, alone, weights.notes, open, signal)
        : await openSafetensors(weights, open, signal);
    await closeUnused(sources, content);
    return assemble(absolute, weights.folder, content, sources);
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

function assemble(
  path: string,
  folder: string,
  content: ModelContent,
  sources: Map<string, ByteSource>,
): Model {
  const { gguf, config, configProblem, modules, modulesProblem, ...described } = content;
  const byName = new Map(content.tensors.map((tensor) => [tensor.name, tensor]));
  const source = (file: string): ByteSource => {
    const found = sources.get(file);
    if (!found) throw new QuantscopeError('IO', 'The file is not open.', { file });
    return found;
  };
  return {
    description: {
      ...{ path, folder, ...described },
      ...(gguf ? { version: gguf.version } : {}),
      parameters: content.tensors.reduce((sum, tensor) => sum + tensor.elements, 0),
      missingBytes: missingBytesOf(content.tensors),
      dataBytes: content.tensors.reduce((sum, tensor) => sum + tensor.byteLength, 0),
    },
    folder,
    ...(config ? { config } : {}),
    ...(configProblem ? { configProblem } : {}),
    ...(modules ? { modules } : {}),
    ...(modulesProblem ? { modulesProblem } : {}),
    ...(gguf ? { gguf } : {}),
    tensor(name) {
      const tensor = byName.get(name);
      if (!tensor)
        throw new QuantscopeError(
          'REQUEST',
          `The model has no such tensor.${suggestion(name, byName.keys())}`,
          {
            file: path,
            tensor: name,
          },
        );
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

/** Files that were only read to find the others of the model. */
async function closeUnused(sources: Map<string, ByteSource>, { files }: ModelContent): Promise<void> {
  const used = new Set(files.map(({ path }) => path));
  for (const [path, source] of [...sources]) {
    if (used.has(path)) continue;
    sources.delete(path);
    await source.close();
  }
}

async function closeAll(sources: Map<string, ByteSource>): Promise<void> {
  await Promise.all([...sources.values()].map((source) => source.close()));
  sources.clear();
}
