import { basename } from 'node:path';
import type { MetadataEntry, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import type { CheckpointHeader } from './checkpointHeader';
import { plural } from '../protocol/words';
import { QuantscopeError } from './errors';

/** One file that an index names; without identity when the file does not exist. */
export interface Shard extends Pick<
  CheckpointHeader,
  'tensors' | 'metadata' | 'warnings' | 'notes' | 'dangers'
> {
  readonly path: string;
  readonly identity?: ModelFileIdentity;
  /** The file that was read, and its `__metadata__`. */
  readonly fileMetadata?: readonly [string, Readonly<Record<string, unknown>>];
}

export interface MergedShards {
  readonly tensors: TensorDescriptor[];
  readonly metadata: MetadataEntry[];
  readonly missing: string[];
  readonly warnings: string[];
}

/**
 * All tensors of a sharded model; those that the index lists but no shard has are marked as unreadable.
 * @param whole path of the index or the folder, for tensors that are not in any file.
 * @param shardOf the index: base name of the shard of each tensor.
 * @throws QuantscopeError MODEL_FILE for a tensor in two shards.
 */
export function mergeShards(
  shards: readonly Shard[],
  whole: string,
  shardOf: ReadonlyMap<string, string> = new Map<string, string>(),
): MergedShards {
  const missing = shards.filter((shard) => !shard.identity).map((shard) => basename(shard.path));
  const isMissing = new Set(missing);
  const tensors = shards.flatMap((shard) => shard.tensors);
  const warnings = shards.flatMap((shard) => shard.warnings);
  const present = byName(tensors);
  if (missing.length > 0) warnings.push(missingWarning('shards', shards.length, missing));
  const lost: [name: string, shard: string][] = [];
  for (const [name, shard] of shardOf) if (!present.has(name)) lost.push([name, shard]);
  const isAnyUnlisted = shardOf.size > 0 && present.size + lost.length > shardOf.size;
  const unlisted = isAnyUnlisted
    ? tensors.filter(({ name }) => !shardOf.has(name)).map(({ name }) => name)
    : [];
  if (unlisted.length > 0)
    warnings.push(
      `In a shard but not in the index: ${plural(unlisted.length, 'tensor')} (${list(unlisted)}).`,
    );
  const disagreeing = lost.filter(([, shard]) => !isMissing.has(shard)).map(([name]) => name);
  if (disagreeing.length > 0)
    warnings.push(
      `In the index but not in their shard: ${plural(disagreeing.length, 'tensor')} (${list(disagreeing)}).`,
    );
  const placeholders = lost.map(([name, shard]) => placeholder(name, shard, whole, isMissing.has(shard)));
  return {
    tensors: [...tensors, ...placeholders],
    metadata: shards.flatMap((shard) => shard.metadata),
    missing,
    warnings,
  };
}

/** States that a model is not complete, and what its figures cover. @param kind "shards" or "parts". */
export function missingWarning(kind: string, total: number, missing: readonly string[]): string {
  const present = total - missing.length;
  return `${present} of ${total} ${kind} are present; parameters and sizes count only those. Missing: ${list(missing)}.`;
}

function byName(tensors: readonly TensorDescriptor[]): ReadonlyMap<string, TensorDescriptor> {
  const found = new Map<string, TensorDescriptor>();
  for (const tensor of tensors) {
    const other = found.get(tensor.name);
    found.set(tensor.name, tensor);
    if (!other) continue;
    const message = `The tensor appears in two shards, ${basename(other.file)} and ${basename(tensor.file)}.`;
    throw new QuantscopeError('MODEL_FILE', message, {
      file: tensor.file,
      tensor: tensor.name,
      offset: tensor.offset,
    });
  }
  return found;
}

function placeholder(name: string, shard: string, file: string, absent: boolean): TensorDescriptor {
  const unreadableReason = absent ? `Its shard ${shard} is missing.` : `Its shard ${shard} does not have it.`;
  return {
    name,
    dtype: '?',
    shape: [],
    elements: 0,
    file,
    offset: 0,
    byteLength: 0,
    readable: false,
    unreadableReason,
  };
}

function list(names: readonly string[]): string {
  return names.slice(0, 3).join(', ') + (names.length > 3 ? ', …' : '');
}
