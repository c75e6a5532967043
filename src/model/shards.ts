import { basename } from 'node:path';
import type { MetadataEntry, ModelFileIdentity, TensorDescriptor } from '../protocol/model';
import type { CheckpointHeader } from './checkpointHeader';
import { plural } from '../protocol/words';
import { TensorTable } from '../protocol/tensorTable';
import { said } from '../protocol/said';
import { QuantscopeError } from './errors';
import { joinedColumns, type ShardColumns } from './joinedColumns';
import { withTable } from './tabledModel';
import type { ListedTensors } from './weightIndex';

/** One file that an index names; without header and identity when the file does not exist or cannot be used. */
export interface Shard {
  readonly path: string;
  readonly header?: CheckpointHeader;
  readonly identity?: ModelFileIdentity;
  /** The file that was read. */
  readonly file?: string;
  /** Why it cannot be used. */
  readonly problem?: string;
}

export interface MergedShards {
  readonly tensors: readonly TensorDescriptor[];
  readonly metadata: MetadataEntry[];
  readonly missing: string[];
  readonly warnings: string[];
}

/**
 * All tensors of a sharded model; those that the index lists but no shard has are marked as unreadable.
 * @param whole path of the index or the folder, for tensors that are not in any file.
 * @throws QuantscopeError MODEL_FILE for a tensor in two shards.
 */
export function mergeShards(shards: readonly Shard[], whole: string, listed?: ListedTensors): MergedShards {
  const missing = shards.filter((shard) => !shard.identity).map((shard) => basename(shard.path));
  const warnings = shards.flatMap(({ header, problem }) => header?.warnings ?? (problem ? [problem] : []));
  const metadata = shards.flatMap(({ header }) => header?.metadata ?? []);
  if (missing.length > 0) warnings.push(missingWarning('shards', shards.length, missing));
  const joined = listed?.columns && joinedColumns(shards.flatMap(columnsOf), listed.columns);
  if (joined) return withTable({ metadata, missing, warnings }, () => new TensorTable(joined));
  return {
    metadata,
    missing,
    warnings,
    tensors: joinedTensors(shards, whole, new Set(missing), warnings, listed),
  };
}

const columnsOf = ({ path, file = path, header }: Shard): ShardColumns[] =>
  header?.columns ? [{ ...header.columns, path, file }] : [];

/** @param warnings receives what the index and the shards do not agree on. */
function joinedTensors(
  shards: readonly Shard[],
  whole: string,
  isMissing: ReadonlySet<string>,
  warnings: string[],
  listed: ListedTensors | undefined,
): TensorDescriptor[] {
  const tensors = shards.flatMap(({ header }) => header?.tensors ?? []);
  const { lost, unlisted } = differences(tensors, listed);
  if (unlisted.length > 0)
    warnings.push(
      said`In a shard but not in the index: ${plural(unlisted.length, 'tensor')} (${list(unlisted)}).`,
    );
  const disagreeing = lost.filter(([, shard]) => !isMissing.has(shard)).map(([name]) => name);
  if (disagreeing.length > 0)
    warnings.push(
      said`In the index but not in their shard: ${plural(disagreeing.length, 'tensor')} (${list(disagreeing)}).`,
    );
  return [...tensors, ...lost.map(([name, shard]) => placeholder(name, shard, whole, isMissing.has(shard)))];
}

/** States that a model is not complete, and what its figures cover. @param kind "shards" or "parts". */
export function missingWarning(kind: 'shards' | 'parts', total: number, missing: readonly string[]): string {
  const present = total - missing.length;
  const absent = list(missing);
  return kind === 'shards'
    ? said`${present} of ${total} shards are present; parameters and sizes count only those. Missing: ${absent}.`
    : said`${present} of ${total} parts are present; parameters and sizes count only those. Missing: ${absent}.`;
}

/** What an index and its shards do not agree on. */
interface Differences {
  /** Names, and shards that should have them. */
  readonly lost: readonly (readonly [name: string, shard: string])[];
  readonly unlisted: readonly string[];
}

const noIndex: ListedTensors = { names: [], shards: [] };

/** @throws QuantscopeError MODEL_FILE for a tensor in two shards. */
function differences(
  tensors: readonly TensorDescriptor[],
  { names, shards }: ListedTensors = noIndex,
): Differences {
  const present = byName(tensors);
  const shardOf = new Map(names.map((name, i) => [name, shards[i]!]));
  return {
    lost: [...shardOf].filter(([name]) => !present.has(name)),
    unlisted:
      shardOf.size === 0 ? [] : tensors.filter(({ name }) => !shardOf.has(name)).map(({ name }) => name),
  };
}

function byName(tensors: readonly TensorDescriptor[]): ReadonlyMap<string, TensorDescriptor> {
  const found = new Map<string, TensorDescriptor>();
  for (const tensor of tensors) {
    const other = found.get(tensor.name);
    found.set(tensor.name, tensor);
    if (!other) continue;
    const message = said`The tensor appears in two shards, ${basename(other.file)} and ${basename(tensor.file)}.`;
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
