import { basename, dirname } from 'node:path';
import type { ModelFileIdentity, ModelFormat } from '../protocol/model';
import { EntryRuns } from './entryRuns';
import { HeaderDictionary, hasDistinctNames } from './headerColumns';
import { IntegerStream } from './integerStream';
import { QuantscopeError } from './errors';
import { kindByName } from './fileKind';
import { isRecord } from './json';
import { parseJsonBytes, readBytesOfJson } from './jsonFiles';
import { maxShards } from './limits';
import { joinPlace } from './place';
import { isRemote, leadsElsewhere } from './remote/address';
import { nameAt } from '../protocol/tensorTable';
import { said } from '../protocol/said';
import { plainly, refusePlain, type PlainJson } from './plainJson';
import { textTemplate } from './textTemplate';

/** What an index says, in its order. */
export interface ListedTensors {
  readonly names: readonly string[];
  /** Base name of the shard of each. */
  readonly shards: readonly string[];
  /** The same where it is written as libraries write indexes. */
  readonly columns?: ListedColumns;
}

/** Names and shards as integers, which can be compared with those of the shards. */
export interface ListedColumns {
  readonly dictionary: HeaderDictionary;
  readonly count: number;
  /** For each tensor the index of its pattern, that of its shard, and the numbers of its name. */
  readonly stream: Uint32Array;
  /** Base names, each once. */
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
export async function readWeightIndex(path: string, signal?: AbortSignal): Promise<WeightIndex> {
  const { bytes, hash, size, mtimeMs } = await readBytesOfJson(path, signal);
  const fail = (message: string): QuantscopeError =>
    new QuantscopeError('MODEL_FILE', message, { file: path, offset: 0 });
  const map = plainMap(bytes) ?? anyMap(parseJsonBytes(bytes, path));
  if (!map) throw fail(said`The file is JSON without a "weight_map": it is not an index of shards.`);
  const { listed, shards } = map;
  const bad = shards.find(
    (shard) => typeof shard !== 'string' || !isFileName(shard) || (isRemote(path) && leadsElsewhere(shard)),
  );
  if (bad !== undefined)
    throw fail(said`The index names the shard ${JSON.stringify(bad)}, which is not a file name.`);
  if (shards.length > maxShards)
    throw fail(said`The index names ${shards.length} shards; at most ${maxShards} are allowed.`);
  const identity = { path, size, mtimeMs, headerHash: hash };
  return { path, identity, listed: listed as ListedTensors, shards: shards as string[] };
}

const mapKey = 'weight_map';

/** A map whose values were not checked. */
interface RawMap {
  readonly listed: { readonly names: readonly string[]; readonly shards: readonly unknown[] };
  /** Each once. */
  readonly shards: readonly unknown[];
}

/** The map of an index as libraries write it; undefined where it is written in another way. */
function plainMap(bytes: Uint8Array): RawMap | undefined {
  const columns = plainly(bytes, (json) => {
    const keys = new Set<string>();
    let map: ListedColumns | undefined;
    for (let more = json.opens(); more; more = json.continues()) {
      const key = json.name();
      if (keys.size === keys.add(key).size) refusePlain();
      if (key === mapKey) map = readMap(json);
      else json.anyObject();
    }
    return map;
  });
  return columns && { listed: listedBy(columns), shards: columns.shards };
}

/** Integers for a tensor of an index, about. */
const integersOf = 6;
const bytesOfEntry = 90;

function readMap(json: PlainJson): ListedColumns {
  const dictionary = new HeaderDictionary();
  const { names } = dictionary;
  const stream = new IntegerStream(Math.ceil((integersOf * json.bytes.length) / bytesOfEntry));
  const runs = new EntryRuns(names, stream, 0);
  const places = new Map<string, number>();
  let [count, end] = [0, 0];
  for (let more = json.opens(); more; more = json.continues()) {
    if (count > 0) runs.between = textTemplate([json.textSince(end)]);
    const name = json.string();
    end = json.at;
    json.colon();
    const shard = json.string();
    const place = places.get(shard) ?? places.size;
    places.set(shard, place);
    names.look(name, place, stream);
    runs.afterAny = { text: textTemplate([json.textSince(end)]), beside: place }; // of the next tensor, too, in most cases
    count += 1 + runs.read(json);
    end = json.at;
  }
  const columns = { dictionary, count, stream: stream.all(), shards: [...places.keys()] };
  if (!hasDistinctNames(columns)) refusePlain();
  return columns;
}

/** Names and shards are made where they are looked at. */
function listedBy(columns: ListedColumns): ListedTensors {
  let made: { readonly names: string[]; readonly shards: string[] } | undefined;
  const all = () => (made ??= textsOf(columns));
  return {
    columns,
    get names() {
      return all().names;
    },
    get shards() {
      return all().shards;
    },
  };
}

function textsOf({ dictionary, count, stream, shards }: ListedColumns) {
  const texts = { names: [] as string[], shards: [] as string[] };
  const { patterns } = dictionary.names;
  for (let i = 0, at = 0; i < count; i++) {
    texts.names.push(nameAt(patterns, stream, at));
    texts.shards.push(shards[stream[at + 1]!]!);
    at += 1 + patterns[stream[at]!]!.length;
  }
  return texts;
}

/** The same of any index; undefined where there is no such map. */
function anyMap(value: unknown): RawMap | undefined {
  const map = isRecord(value) ? value[mapKey] : undefined;
  if (!isRecord(map)) return undefined;
  const shards = Object.values(map);
  return { listed: { names: Object.keys(map), shards }, shards: [...new Set(shards)] };
}

/** The format of the shards, by the name of the first. */
export const formatOf = ({ shards: [first = ''] }: WeightIndex): ModelFormat =>
  kindByName(first) === 'pytorch' ? 'pytorch' : 'safetensors';

const isFileName = (name: string): boolean =>
  name !== '' && name !== '.' && name !== '..' && !/[\\/\0]/.test(name) && basename(name) === name;

/** Paths of the shards that an index names. */
export const shardPaths = ({ path, shards }: WeightIndex): string[] =>
  shards.map((shard) => joinPlace(dirname(path), shard));
