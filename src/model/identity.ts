import { createHash } from 'node:crypto';
import type { ModelDescription, ModelFileIdentity } from '../protocol/model';
import type { ByteSource } from './byteSource';
import type { CheckpointHeader } from './checkpointHeader';
import { contentHash, type PlacedTensors } from './contentHash';

/**
 * SHA-256 over sizes, headers and sampled weights of the model's files: the same model elsewhere, or under other names, has the
 * same hash; another checkpoint of the same layout does not.
 */
export function modelHash({ files }: Pick<ModelDescription, 'files'>): string {
  const hash = createHash('sha256');
  for (const { size, headerHash, contentHash: content } of files)
    if (content !== undefined) hash.update(`${size}\n${headerHash}\n${content}\n`);
  return hash.digest('hex');
}

/** Changes whenever weights are written or the configuration changes: the key of kept results. */
export function contentKey(description: Pick<ModelDescription, 'files'>): string {
  const hash = createHash('sha256').update(modelHash(description));
  for (const { headerHash, contentHash: content, mtimeMs } of description.files)
    hash.update(content === undefined ? `${headerHash}\n` : `${mtimeMs}\n`);
  return hash.digest('hex');
}

/**
 * What distinguishes a file of weights from others, and from itself after a write. Reads samples.
 * @param files how many files the model has: they share the samples.
 */
export async function fileIdentity(
  source: ByteSource,
  header: PlacedTensors & Pick<CheckpointHeader, 'headerHash'>,
  files: number,
  signal?: AbortSignal,
): Promise<ModelFileIdentity> {
  const { path, size, mtimeMs } = source;
  const { headerHash } = header;
  return { path, size, mtimeMs, headerHash, contentHash: await contentHash(source, header, files, signal) };
}
