import { createHash } from 'node:crypto';
import type { ModelDescription, ModelFileIdentity } from '../protocol/model';
import type { ByteSource } from './byteSource';

/** SHA-256 over the names, sizes and headers of the model's files: the same model elsewhere has the same hash. */
export function modelHash(description: ModelDescription): string {
  const hash = createHash('sha256');
  for (const file of description.files) {
    hash.update(`${file.path.replace(/^.*[\\/]/, '')}\n${file.size}\n${file.headerHash}\n`);
  }
  return hash.digest('hex');
}

/** Changes whenever a file of the model was written: what results on disk are kept under. */
export function contentKey(description: ModelDescription): string {
  const hash = createHash('sha256').update(modelHash(description));
  for (const file of description.files) hash.update(`${file.path}\n${file.mtimeMs}\n`);
  return hash.digest('hex');
}

/** What tells a file from another, and from itself once it was written. */
export function fileIdentity(source: ByteSource, headerHash: string): ModelFileIdentity {
  return { path: source.path, size: source.size, mtimeMs: source.mtimeMs, headerHash };
}
