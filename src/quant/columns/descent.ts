import {
  loadNative,
  type BlockDescent,
  type ColumnGrid,
  type DampedMatrix,
  type HessianTiles,
} from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import type { BlockTask, OwnInputs } from '../methods/method';
import {
  columnGridOf,
  quantizeBlocks,
  refuseBlocks,
  refuseRows,
  typeGrids,
  typesWithCodes,
  type BlockPlan,
} from './blocks';
import { quantizeLattices } from './lattices';
import { isLattice, latticeTile, latticeTypes } from './latticeTypes';
import { restoreSizes } from './sizes';

/** How the blocks of a ggml type are found column by column, and then improved by coordinate descent. */
export interface DescentPlan {
  readonly start: BlockPlan;
  readonly hessian: HessianTiles;
  /** Over all columns, at most. */
  readonly rounds: number;
  /** What errors are weighted by besides, where gradients at the outputs are known. */
  readonly outputs?: OutputWeights;
}

/** By what the rows of a matrix have to do with each other, or by inputs of their own. */
export type OutputWeights =
  | { readonly covariance: DampedMatrix; readonly rounds: number }
  | { readonly hessian: DampedMatrix; readonly own: OwnInputs; readonly share: number };

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
 * never larger than with the codes that it starts from, nor than with those of the type's encoder. Where gradients are known, the error by both
 * sides of these rows is then made smaller. Rows on lattices get their size back at the end, where the codes of the type's encoder do not have a smaller error.
 * @param values `[rows, columns]`; dead columns are overwritten.
 * @param firstRow which row of the matrix comes first.
 * @throws RangeError naming the first weight that is not finite.
 */
export async function descendBlocks(
  type: GgmlQuantType,
  { start, hessian, rounds, outputs }: DescentPlan,
  values: Float32Array,
  firstRow: number,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const native = loadNative();
  const quantize = isLattice(type) ? quantizeLattices : quantizeBlocks;
  const blocks = await quantize(type, start, values, signal);
  const grid = isLattice(type) ? undefined : columnGridOf(type);
  const descent = { type, hessian, weights: values, blocks, rounds };
  await native.descendBlocks({ ...descent, grid }, signal);
  if (outputs && 'covariance' in outputs) {
    const covariance = ofRows(outputs.covariance, firstRow, values.length / hessian.columns);
    await native.descendBothSides({ ...descent, grid, covariance, rounds: outputs.rounds }, signal);
  } else if (outputs && grid) await descendOwn({ ...descent, grid }, outputs, firstRow, signal);
  await restoreSizes(type, start, values, blocks, signal);
  return blocks;
}

/** Inputs of single rows that are gathered at a time (numbers). */
const gathered = 1 << 24;

/** The descent of each row by inputs of its own, as many rows at a time as have room for their inputs. */
async function descendOwn(
  { weights, blocks, ...descent }: Omit<BlockDescent, 'grid' | 'hessian'> & { readonly grid: ColumnGrid },
  { hessian, own, share }: Extract<OutputWeights, { own: OwnInputs }>,
  firstRow: number,
  signal: AbortSignal | undefined,
): Promise<void> {
  const columns = Math.round(Math.sqrt(hessian.values.length));
  const end = firstRow + weights.length / columns;
  const rowBytes = (blocks.length * columns) / weights.length;
  for (let first = firstRow; first < end;) {
    let next = first + 1;
    while (next < end && (own.starts[next + 1]! - own.starts[first]!) * columns <= gathered) next++;
    const [from, to] = [first - firstRow, next - firstRow];
    const rows = {
      weights: weights.subarray(from * columns, to * columns),
      blocks: blocks.subarray(from * rowBytes, to * rowBytes),
    };
    await loadNative().descendOwnHessians(
      { ...descent, ...rows, hessian, share, ...ownOf(own, first, next, columns) },
      signal,
    );
    first = next;
  }
}

/** The inputs of rows from `first` to before `end`, times the roots of their weights. */
function ownOf({ inputs, starts, tokens, weights }: OwnInputs, first: number, end: number, columns: number) {
  const start = starts[first]!;
  const found = new Float32Array((starts[end]! - start) * columns);
  for (let i = start; i < starts[end]!; i++) {
    const [from, to, root] = [tokens[i]! * columns, (i - start) * columns, Math.sqrt(weights[i]!)];
    for (let k = 0; k < columns; k++) found[to + k] = root * inputs[from + k]!;
  }
  return { inputs: found, starts: starts.slice(first, end + 1).map((at) => at - start) };
}

/** The part of a covariance that belongs to some rows. */
function ofRows({ values, damping }: DampedMatrix, first: number, count: number): DampedMatrix {
  const rows = Math.round(Math.sqrt(values.length));
  if (count === rows) return { values, damping };
  const part = new Float64Array(count * count);
  for (let row = 0; row < count; row++) {
    const start = (first + row) * rows + first;
    part.set(values.subarray(start, start + count), row * count);
  }
  return { values: part, damping };
}
