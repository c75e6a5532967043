import { basename, dirname } from 'node:path';
import type { LocatedModel } from '../protocol/model';
import { nameFromPath } from './modelName';
import { exists, joinPlace } from './place';
import { coveringFiles } from './weightCandidates';
import { findWeightFiles } from './weightFiles';

/**
 * The model that a path stands for, by names and indexes alone: all shards and parts of a model lead to the same file.
 * @throws QuantscopeError IO or MODEL_FILE when the path does not lead to a model, REQUEST when it leads to several; CANCELLED.
 */
export async function locateModel(path: string, signal?: AbortSignal): Promise<LocatedModel> {
  const { folder, files, index, format } = await findWeightFiles({ path }, signal);
  const covering =
    format === 'gguf' ? await coveringFiles(dirname(files[0]!), basename(files[0]!), signal) : undefined;
  const all = covering?.files.map((name) => joinPlace(folder, name)) ?? files;
  // An index of a single file is the same model as that file.
  const indexed = all.length > 1 ? index?.path : undefined;
  const file = indexed ?? (await firstPresent(all, signal)) ?? path;
  return { file, folder, name: nameFromPath(folder, basename(all[0] ?? file)), files: all };
}

async function firstPresent(
  files: readonly string[],
  signal: AbortSignal | undefined,
): Promise<string | undefined> {
  for (const file of files) if (await exists(file, signal)) return file;
  return undefined;
}
