import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import { encodeBlocks } from '../schemeFormat';
import { blockOf, neverWorse, type BlockPlan } from './blocks';
import { clearNonFinite, columnState, overBlocks } from './quantizeColumns';

/** Types whose weights lie on lattices: points are chosen for eight weights at a time, or for twice four. */
export const latticeTypes = [
  ...(['IQ1_S', 'IQ1_M', 'IQ2_XXS', 'IQ2_XS', 'IQ2_S', 'IQ3_XXS', 'IQ3_S'] as const),
] as const satisfies readonly GgmlQuantType[];

/** @param type of ggml, or the name of any format. */
export const isLattice = (type: string): boolean => latticeTypes.some((lattice) => lattice === type);

/** Columns of a tile of the Hessian for a lattice type. */
export const latticeTile = 8;

/**
 * Blocks of a lattice type whose scales are found block by block by the type's encoder, from the weights as earlier columns correct them, and whose points
 * are found for eight columns at a time. Rows whose output error is larger than with the encoder's own points keep these.
 * @param values `[rows, columns]`; dead columns are overwritten.
 * @throws BadWeightError for the first weight that is not finite.
 */
export function quantizeLattices(
  type: GgmlQuantType,
  plan: BlockPlan,
  values: Float32Array,
  signal?: AbortSignal,
): Promise<Uint8Array> {
  const { columns } = plan.factor;
  const { block, bytes } = blockOf(type);
  const native = loadNative();
  const find = async (blocks: Uint8Array): Promise<Float64Array> => {
    const state = columnState(plan.factor, values);
    const rows = state.losses.length;
    const quantize = async (first: number): Promise<void> => {
      const targets = new Float32Array(rows * block);
      await native.predictColumns(state, first, block, targets, signal);
      clearNonFinite(targets);
      const importance = plan.importance.subarray(first, first + block);
      const { codes } = await encodeBlocks(type, targets, block, { importance, signal });
      for (let row = 0; row < rows; row++) {
        const to = ((row * columns + first) / block) * bytes;
        blocks.set(codes.subarray(row * bytes, (row + 1) * bytes), to);
      }
      await native.quantizeLattices(state, type, first, block, blocks, signal);
    };
    const quantizeAll = async (first: number, count: number): Promise<void> => {
      for (let done = 0; done < count; done += block) await quantize(first + done);
    };
    await overBlocks(state, quantizeAll, signal);
    return state.losses;
  };
  return neverWorse(type, plan, values, find, signal);
}
