import type { Model } from '../../model/model';
import { readAs } from '../../model/rows';
import type { TensorDescriptor } from '../../protocol/model';

/** A tensor of at most so many bytes is held. */
const heldBytes = 128 * 1024 * 1024;

/** Whether all passes over a tensor read it once. */
export const isHeld = (tensor: TensorDescriptor): boolean => readAs(tensor).bytes <= heldBytes;

/**
 * The model with one tensor in memory from its first read on, so that any number of methods, each with passes of its own, reads the file once.
 * A larger tensor is read in every pass.
 */
export function withHeld(model: Model, tensor: TensorDescriptor): Model {
  if (!isHeld(tensor)) return model;
  let whole: Promise<Uint8Array> | undefined;
  /** A weight that is stored as codes can also be read as blocks. */
  const isIt = (of: TensorDescriptor): boolean =>
    of.name === tensor.name && of.stored?.reads === tensor.stored?.reads;
  const readInto: Model['readInto'] = async (of, offset, target, signal) => {
    if (!isIt(of)) return model.readInto(of, offset, target, signal);
    whole ??= model.read(tensor, 0, readAs(tensor).bytes, signal);
    target.set((await whole).subarray(offset, offset + target.length));
  };
  return {
    ...model,
    readInto,
    async read(of, offset, length, signal) {
      const bytes = new Uint8Array(length);
      await readInto(of, offset, bytes, signal);
      return bytes;
    },
  };
}
