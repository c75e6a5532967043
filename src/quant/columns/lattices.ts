import { loadNative } from '../../native';
import type { GgmlQuantType } from '../../protocol/ggmlTypes';
import { encodeBlocks } from '../codec';
import { blockOf, neverWorse, type BlockPlan } from './blocks';
import { clearNonFinite, columnState, overBlocks } from './quantizeColumns';

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
