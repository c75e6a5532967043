import { loadNative, type HessianTiles } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { BlockTask } from '../methods/method';
import {
  columnGridOf,
  quantizeBlocks,
  refuseBlocks,
  refuseRows,
  typeGrids,
  typesWithCodes,
  type BlockPlan,
} from './blocks';
import { isLattice, latticeTile, latticeTypes, quantizeLattices } from './lattices';

/** How the blocks of a ggml type are found column by column, and then improved by coordinate descent. */
export interface DescentPlan {
  readonly start: BlockPlan;
  readonly hessian: HessianTiles;
  /** Over all columns, at most. */
  readonly rounds: number;
}

/** Types whose codes can be improved. */
export const descentTypes: readonly GgmlQuantType[] = [...typesWithCodes, ...latticeTypes];

/** Why a type or a shape cannot be improved. */
export function refuseDescent(task: Pick<BlockTask, 'type' | 'shape'>): string | undefined {
  return isLattice(task.type) ? refuseRows(task.type, task.shape) : refuseBlocks(task);
}

const tiles = new WeakMap<Float64Array, { readonly key: string; readonly tiles: HessianTiles }>();

/** The tiles of a Hessian for a type, the last ones of each being kept while the Hessian is: several matrices have the same inputs. */
export async function tilesOf(
  hessian: Float64Array,
  damping: number,
  type: GgmlQuantType,
  signal?: AbortSignal,
): Promise<HessianTiles> {
  const group = isLattice(type) ? latticeTile : typeGrids[type]!.group;
  const key = `${damping} ${group}`;
  const kept = tiles.get(hessian);
  if (kept?.key === key) return kept.tiles;
  const made = await loadNative().tileHessian(hessian, damping, group, signal);
  tiles.set(hessian, { key, tiles: made });
  return made;
}

/**
 * Blocks of a type whose codes are found column by column and whose codes and scales are then improved together. The output error of a row is
 * never larger than with the codes that it starts from, nor than with those of the type's encoder.
 * @param values `[rows, columns]`; dead columns are overwritten.
 * @throws RangeError naming the first weight that is not finite.
 */
export async function descendBlocks(
  type: GgmlQuantType,
  { start, hessian, rounds }: DescentPlan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const native = loadNative();
  const quantize = isLattice(type) ? quantizeLattices : quantizeBlocks;
  const blocks = await quantize(type, start, values, signal);
  const descent = { type, hessian, weights: values, blocks, rounds };
  if (isLattice(type)) await native.descendLattices(descent, signal);
  else await native.descendBlocks({ ...descent, grid: columnGridOf(type) }, signal);
  return blocks;
}
