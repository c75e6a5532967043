import { basename } from 'node:path';
import type { MetadataEntry, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import { QuantscopeError } from './errors';

/** One file that an index names; without identity when the file is not there. */
export interface Shard {
  readonly path: string;
  readonly identity?: ModelFileIdentity;
  readonly tensors: readonly TensorDescriptor[];
  readonly metadata: readonly MetadataEntry[];
  readonly warnings: readonly string[];
}

export interface MergedShards {
  readonly tensors: TensorDescriptor[];
  readonly metadata: MetadataEntry[];
  readonly missing: string[];
  readonly warnings: string[];
}

/** All tensors of a sharded model, with those the index promises and no shard has marked as unreadable. */
export function mergeShards(
  map: Readonly<Record<string, string>>,
  shards: readonly Shard[],
  index: string,
): MergedShards {
  const missing = shards.filter((shard) => !shard.identity).map((shard) => basename(shard.path));
  const tensors = shards.flatMap((shard) => shard.tensors);
  const warnings = shards.flatMap((shard) => shard.warnings);
  refuseDuplicates(tensors);
  if (missing.length > 0)
    warnings.push(`${missing.length} of ${shards.length} shards are not here: ${list(missing)}.`);
  const present = new Set(tensors.map((tensor) => tensor.name));
  const unlisted = tensors.filter((tensor) => map[tensor.name] === undefined).map((tensor) => tensor.name);
  if (unlisted.length > 0)
    warnings.push(`${unlisted.length} tensors stand in a shard and not in the index: ${list(unlisted)}.`);
  const lost = Object.entries(map).filter(([name]) => !present.has(name));
  const disagreeing = lost.filter(([, shard]) => !missing.includes(shard)).map(([name]) => name);
  if (disagreeing.length > 0)
    warnings.push(
      `${disagreeing.length} tensors stand in the index and not in their shard: ${list(disagreeing)}.`,
    );
  const placeholders = lost.map(([name, shard]) => placeholder(name, shard, index, missing.includes(shard)));
  return {
    tensors: [...tensors, ...placeholders],
    metadata: shards.flatMap((shard) => shard.metadata),
    missing,
    warnings,
  };
}

function refuseDuplicates(tensors: readonly TensorDescriptor[]): void {
  const seen = new Map<string, TensorDescriptor>();
  for (const tensor of tensors) {
    const other = seen.get(tensor.name);
    if (other) {
      const message = `The tensor stands in two shards, ${basename(other.file)} and ${basename(tensor.file)}.`;
      throw new QuantscopeError('MODEL_FILE', message, {
        file: tensor.file,
        tensor: tensor.name,
        offset: tensor.offset,
      });
    }
    seen.set(tensor.name, tensor);
  }
}

function placeholder(name: string, shard: string, file: string, absent: boolean): TensorDescriptor {
  const unreadableReason = absent
    ? `Its shard ${shard} is not here.`
    : `Its shard ${shard} does not have it.`;
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
