import type { ModelRef } from '../protocol/model';
import { said } from '../protocol/said';
import type { ByteSource, OpenSource } from './byteSource';
import { QuantscopeError } from './errors';
import type { OpenFiles } from './model';
import type { ModelContent } from './modelContent';
import { openCheckpoint } from './openCheckpoint';
import { openGguf } from './openGguf';
import { absolutePlace, openSource as openPlace } from './place';
import { findWeightFiles } from './weightFiles';

/**
 * Opens the files of a model and reads their headers: a safetensors, PyTorch or GGUF file, an index of shards, or a folder that holds one of
 * them; a file of a larger model opens the whole model unless `alone` is set. Content decides what a file is.
 * @param openSource opens each of them.
 * @throws QuantscopeError MODEL_FILE or IO naming file, tensor and offset; REQUEST for a folder without a model.
 */
export async function openFiles(
  model: string | ModelRef,
  signal?: AbortSignal,
  openSource: OpenSource = (file) => openPlace(file, signal),
): Promise<OpenFiles> {
  const { path, alone = false } = typeof model === 'string' ? { path: model } : model;
  const absolute = absolutePlace(path);
  const sources = new Map<string, ByteSource>();
  const open: OpenSource = async (target) => {
    const source = sources.get(target) ?? (await openSource(target));
    sources.set(target, source);
    return source;
  };
  try {
    const weights = await findWeightFiles({ path: absolute, alone }, signal);
    const read =
      weights.format === 'gguf'
        ? {
            content: await openGguf(weights.files[0]!, alone, weights.notes, open, signal),
            metadataOfFiles: new Map(),
          }
        : await openCheckpoint(weights, weights.format, open, signal);
    await closeUnused(sources, read.content);
    return {
      ...{ path: absolute, folder: weights.folder, ...read },
      source: (file) => sourceOf(sources, file),
      close: () => closeAll(sources),
    };
  } catch (error) {
    await closeAll(sources);
    throw error;
  }
}

function sourceOf(sources: ReadonlyMap<string, ByteSource>, file: string): ByteSource {
  const found = sources.get(file);
  if (found) return found;
  throw new QuantscopeError('IO', said`The file is not open.`, { file });
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
