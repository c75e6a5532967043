import { basename, dirname } from 'node:path';
import type { ModelFileIdentity, ModelFormat } from '../protocol/model';
import { DistinctNames } from './distinctNames';
import { QuantscopeError } from './errors';
import { kindByName } from './fileKind';
import { isRecord } from './json';
import { parseJsonBytes, readBytesOfJson } from './jsonFiles';
import { maxShards } from './limits';
import { joinPlace } from './place';
import { plainly, refusePlain, type PlainJson } from './plainJson';

/** What an index says, in its order. */
export interface ListedTensors {
  readonly names: readonly string[];
  /** Base name of the shard of each. */
  readonly shards: readonly string[];
}

/** An index of shards: `model.safetensors.index.json` or `pytorch_model.bin.index.json` by its usual name. */
export interface WeightIndex {
  /** Absolute. */
  readonly path: string;
  readonly identity: ModelFileIdentity;
  readonly listed: ListedTensors;
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
  const shards = [...new Set(map.shards)];
  const bad = shards.find((shard) => typeof shard !== 'string' || !isFileName(shard));
  if (bad !== undefined)
    throw fail(`The index names the shard ${JSON.stringify(bad)}, which is not a file name.`);
  const listed = map as ListedTensors;
  if (shards.length > maxShards)
    throw fail(`The index names ${shards.length} shards; at most ${maxShards} are allowed.`);
  const identity = { path, size, mtimeMs, headerHash: hash };
  return { path, identity, listed, shards: shards as string[] };
}

const mapKey = 'weight_map';

/** A map whose values were not checked. */
interface RawMap {
  readonly names: readonly string[];
  readonly shards: readonly unknown[];
}

/** The map of an index as libraries write it; undefined where it is written in another way. */
function plainMap(bytes: Uint8Array): RawMap | undefined {
  const names: string[] = [];
  const shards: string[] = [];
  const keys = new Set<string>();
  const found = plainly(bytes, (json) => {
    for (let more = json.opens(); more; more = json.continues()) {
      const key = json.name();
      if (keys.size === keys.add(key).size) refusePlain();
      if (key === mapKey) readMap(json, names, shards);
      else json.anyObject();
    }
    return keys.has(mapKey);
  });
  return found ? { names, shards } : undefined;
}

function readMap(json: PlainJson, names: string[], shards: string[]): void {
  const distinct = new DistinctNames();
  let shard = ''; // one string for all that are equal
  for (let more = json.opens(); more; more = json.continues()) {
    const name = json.name();
    if (!distinct.add(name)) refusePlain();
    names.push(name);
    shards.push((shard = json.string(shard)));
  }
}

/** The same of any index; undefined where there is no such map. */
function anyMap(value: unknown): RawMap | undefined {
  const map = isRecord(value) ? value[mapKey] : undefined;
  return isRecord(map) ? { names: Object.keys(map), shards: Object.values(map) } : undefined;
}

/** The format of the shards, by the name of the first. */
export const formatOf = ({ shards: [first = ''] }: WeightIndex): ModelFormat =>
  kindByName(first) === 'pytorch' ? 'pytorch' : 'safetensors';

const isFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[\\/\0]/.test(name) && basename(name) === name;

/** Paths of the shards that an index names. */
export const shardPaths = ({ path, shards }: WeightIndex): string[] =>
  shards.map((shard) => joinPlace(dirname(path), shard));
