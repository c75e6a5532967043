import { basename } from 'node:path';
import type { TensorColumns } from '../protocol/tensorTable';
import type { FileColumns } from './headerColumns';
import { IntegerStream } from './integerStream';
import type { ListedColumns } from './weightIndex';

/** A shard that was read as columns. */
export interface ShardColumns extends FileColumns {
  /** That the index names. */
  readonly path: string;
  /** That was read. */
  readonly file: string;
}

/**
 * The tensors of all shards in one, where the index lists exactly them, those of each shard in their order: as most are written, which takes no table of
 * a hundred thousand names to see. Then none is missing, and none is in two shards.
 * @returns undefined where it is otherwise.
 */
export const joinedColumns = (
  shards: readonly ShardColumns[],
  listed: ListedColumns,
): TensorColumns | undefined => (isAsListed(shards, listed) ? join(shards) : undefined);

function isAsListed(shards: readonly ShardColumns[], listed: ListedColumns): boolean {
  const { stream, count, dictionary } = listed;
  if (shards.some((shard) => shard.dictionary !== dictionary)) return false;
  const { patterns } = dictionary.names;
  const places = new Map(shards.map(({ path }, i) => [basename(path), i]));
  const shardAt = listed.shards.map((name) => places.get(name) ?? -1);
  const next = new Uint32Array(shards.length);
  for (let i = 0, at = 0; i < count; i++) {
    const shard = shardAt[stream[at + 1]!]!;
    const own = shards[shard]?.stream;
    if (!own) return false;
    let from = next[shard]!;
    const end = at + 1 + patterns[stream[at]!]!.length;
    if (own[from] !== stream[at]) return false;
    for (at += 2, from += 2; at < end; at++, from++) if (own[from] !== stream[at]) return false;
    next[shard] = from;
  }
  return count > 0 && shards.every((own, shard) => next[shard] === own.stream.length);
}

/** Patterns and kinds are numbered again, in the order in which they are met: shards are read in any order. */
function join(shards: readonly ShardColumns[]): TensorColumns {
  const { names, kinds } = shards[0]!.dictionary;
  const [pattern, kind] = [new Renumbered(names.patterns), new Renumbered(kinds.all)];
  const all = new IntegerStream(shards.reduce((sum, { stream }) => sum + stream.length, 0));
  const places: [first: number, file: number, offset: number][] = [];
  const files: string[] = [];
  let count = 0;
  for (const own of shards) {
    const { stream } = own;
    if (own.count > 0) places.push([count, files.push(own.file) - 1, own.offsets[0]!]);
    count += own.count;
    for (let at = 0; at < stream.length;) {
      const end = at + 1 + names.patterns[stream[at]!]!.length;
      all.push(pattern.of(stream[at++]!));
      all.push(kind.of(stream[at++]!));
      while (at < end) all.push(stream[at++]!);
    }
  }
  return { count, patterns: pattern.items, kinds: kind.items, files, places, stream: all.all() };
}

/** Items in the order in which they are first asked for. */
class Renumbered<T> {
  readonly items: T[] = [];
  private readonly numbers: number[] = [];

  constructor(private readonly from: readonly T[]) {}

  of(item: number): number {
    return (this.numbers[item] ??= this.items.push(this.from[item]!) - 1);
  }
}
