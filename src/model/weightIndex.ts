import { basename, dirname } from 'node:path';
import type { ModelFileIdentity, ModelFormat } from '../protocol/model';
import { QuantscopeError } from './errors';
import { kindByName } from './fileKind';
import { isRecord } from './json';
import { parseJsonBytes, readBytesOfJson } from './jsonFiles';
import { maxShards } from './limits';
import { joinPlace } from './place';
import { plainly, refusePlain } from './plainJson';

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
  const { bytes, hash, size, mtimeMs } = await readBytesOfJson(path);
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 });
  const map = plainMap(bytes) ?? anyMap(parseJsonBytes(bytes, path));
  if (!map) throw fail('The file is JSON without a "weight_map": it is not an index of shards.');
  const shards = [...new Set(map.values())];
  const bad = shards.find((shard) => typeof shard !== 'string' || !isFileName(shard));
  if (bad !== undefined)
    throw fail(`The index names the shard ${JSON.stringify(bad)}, which is not a file name.`);
  const shardOf = map as ReadonlyMap<string, string>;
  if (shards.length > maxShards)
    throw fail(`The index names ${shards.length} shards; at most ${maxShards} are allowed.`);
  const identity = { path, size, mtimeMs, headerHash: hash };
  return { path, identity, shardOf, shards: shards as string[] };
}

const mapKey = 'weight_map';

/** The shard of each tensor, of an index as libraries write it; undefined where it is written in another way. */
function plainMap(bytes: Uint8Array): Map<string, unknown> | undefined {
  const map = new Map<string, unknown>();
  const keys = new Set<string>();
  let last = '';
  const found = plainly(bytes, (json) => {
    json.object((key) => {
      if (keys.size === keys.add(key).size) refusePlain();
      if (key !== mapKey) return void json.objectBytes();
      json.object((tensor) => {
        const shard = json.string();
        if (shard !== last) last = shard; // one string for all that are equal
        map.set(tensor, last);
      });
    });
    return keys.has(mapKey);
  });
  return found ? map : undefined;
}

/** The same of any index; undefined where there is no such map. */
function anyMap(value: unknown): Map<string, unknown> | undefined {
  const map = isRecord(value) ? value[mapKey] : undefined;
  return isRecord(map) ? new Map(Object.entries(map)) : undefined;
}

/** The format of the shards, by the name of the first. */
export const formatOf = ({ shards: [first = ''] }: WeightIndex): ModelFormat =>
  kindByName(first) === 'pytorch' ? 'pytorch' : 'safetensors';

const isFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[\\/\0]/.test(name) && basename(name) === name;

/** Paths of the shards that an index names. */
export const shardPaths = ({ path, shards }: WeightIndex): string[] =>
  shards.map((shard) => joinPlace(dirname(path), shard));
