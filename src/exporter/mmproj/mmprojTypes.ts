import { isRowOf } from '../../ampq/candidates';
import type { ConvertedTensor } from '../../architectures/convertedTensor';
import type { MmprojType } from '../../protocol/mmproj';
import { said } from '../../protocol/said';
import { dimensions } from '../plan/mixed';
import type { MixedType } from '../plan/mixture';

/** Tables of vectors that llama.cpp adds to others, for which it needs float32. */
const added = /\.(position_embd\.weight|img_break)$/;

/** Kernels of convolutions, and a matrix that llama.cpp transposes: operations that exist for plain floats only. */
const plain = /\.patch_embd\.weight(\.\d+)?$|^mm\.(patch_merger|input_projection)\.weight$/;

/**
 * The ggml type of a tensor of a vision part.
 * @param type of the matrices.
 */
export function mmprojType({ name, shape }: ConvertedTensor, type: MmprojType): MixedType {
  if (dimensions(shape) < 2 || added.test(name))
    return { type: 'F32', cause: 'kept', reason: said`kept in full precision` };
  if (plain.test(name))
    return {
      ...{ type: type === 'F16' ? 'F16' : 'F32', cause: 'kept' },
      reason: said`needs a plain float for its operation`,
    };
  if (isRowOf(type, shape.at(-1)!))
    return { type, cause: 'default', reason: said`type of matrices is ${type}` };
  return {
    type: 'F16',
    cause: 'fallback',
    reason: said`row length is not a multiple of the block size of ${type}`,
  };
}
