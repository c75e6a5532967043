import { basename, dirname, join } from 'node:path';
import type { ModelFileIdentity, ModelFormat } from '../protocol/model';
import { QuantscopeError } from './errors';
import { kindByName } from './fileKind';
import { isRecord } from './json';
import { readJsonFile } from './jsonFiles';
import { maxShards } from './limits';

/** An index of shards: `model.safetensors.index.json` or `pytorch_model.bin.index.json` by its usual name. */
export interface WeightIndex {
  /** Absolute. */
  readonly path: string;
  readonly identity: ModelFileIdentity;
  /** Base name of the shard of each tensor. */
  readonly shardOf: ReadonlyMap<string, string>;
  /** Base names of the shards, each once. */
  readonly shards: readonly string[];
}

/** Names of indexes, those of variants (`….index.fp16.json`) included. */
export const indexName = /\.index(\.[\w-]+)?\.json$/i;

/**
 * Reads an index; the shards need not exist.
 * @throws QuantscopeError MODEL_FILE when the file is not an index, or names a shard outside its folder or too many of them.
 */
export async function readWeightIndex(path: string): Promise<WeightIndex> {
  const { value, hash, size, mtimeMs } = await readJsonFile(path);
  const map = isRecord(value) ? value['weight_map'] : undefined;
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 });
  if (!isRecord(map)) throw fail('The file is JSON without a "weight_map": it is not an index of shards.');
  const shardOf = new Map<string, string>();
  for (const [tensor, shard] of Object.entries(map)) {
    if (typeof shard !== 'string' || !isFileName(shard))
      throw fail(`The index names the shard ${JSON.stringify(shard)}, which is not a file name.`);
    shardOf.set(tensor, shard);
  }
  const shards = [...new Set(shardOf.values())];
  if (shards.length > maxShards)
    throw fail(`The index names ${shards.length} shards; at most ${maxShards} are allowed.`);
  return { path, identity: { path, size, mtimeMs, headerHash: hash }, shardOf, shards };
}

/** The format of the shards, by the name of the first. */
export const formatOf = ({ shards: [first = ''] }: WeightIndex): ModelFormat =>
  kindByName(first) === 'pytorch' ? 'pytorch' : 'safetensors';

const isFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[\\/\0]/.test(name) && basename(name) === name;

/** Paths of the shards that an index names. */
export const shardPaths = ({ path, shards }: WeightIndex): string[] =>
  shards.map((shard) => join(dirname(path), shard));
