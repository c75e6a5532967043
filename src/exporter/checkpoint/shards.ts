import type { StoredTensor } from '../../layouts/layout';
import { tensorBytes } from '../safetensorsHeader';

/** Tensors that are written together: those of one weight. */
export interface Unit {
  readonly parts: readonly StoredTensor[];
}

/** Units of one file. */
export interface PlannedShard<U extends Unit> {
  /** "model.safetensors", "model-00001-of-00002.safetensors": the names that transformers gives. */
  readonly name: string;
  readonly units: readonly U[];
  /** Data, as many bytes as it can have. */
  readonly dataBytes: number;
}

/** Largest shard of transformers 5, bytes. */
export const defaultShardBytes = 5e9;

/**
 * Shards in the order of the units: as many units each as fit. A larger unit has a shard of its own.
 * @param most data bytes of a shard.
 */
export function planShards<U extends Unit>(units: readonly U[], most = defaultShardBytes): PlannedShard<U>[] {
  const shards: { units: U[]; dataBytes: number }[] = [];
  for (const unit of units) {
    const bytes = unit.parts.reduce((sum, part) => sum + tensorBytes(part), 0);
    const last = shards.at(-1);
    if (last && last.dataBytes + bytes <= most) {
      last.units.push(unit);
      last.dataBytes += bytes;
    } else shards.push({ units: [unit], dataBytes: bytes });
  }
  const count = String(shards.length).padStart(5, '0');
  return shards.map((shard, i) => ({
    ...shard,
    name:
      shards.length === 1
        ? 'model.safetensors'
        : `model-${String(i + 1).padStart(5, '0')}-of-${count}.safetensors`,
  }));
}

/** `model.safetensors.index.json` as transformers writes it: names in order, and the data's size. */
export function shardIndex(
  fileOfTensor: ReadonlyMap<string, string>,
  totalSize: number,
  totalParameters: number,
): Record<string, unknown> {
  const names = [...fileOfTensor].sort(([a], [b]) => (a < b ? -1 : 1));
  return {
    metadata: { total_parameters: totalParameters, total_size: totalSize },
    weight_map: Object.fromEntries(names),
  };
}
