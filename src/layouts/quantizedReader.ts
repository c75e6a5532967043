import { readElements } from '../model/strides';
import type { Model } from '../model/model';
import type { TensorDescriptor } from '../protocol/model';
import type { Layout, QuantizedReader, ReadPart, StoredDescriptor } from './layout';
import { layouts } from './layouts';

export const isStored = (tensor: TensorDescriptor): tensor is StoredDescriptor => tensor.stored !== undefined;

/** The layout that a weight is stored in. */
export const layoutOf = ({ stored }: StoredDescriptor): Layout =>
  layouts.find(({ id }) => id === stored.layout)!;

/** Reads of parts of the weights of open files. */
export const partReader =
  (files: Pick<Model, 'source'>): ReadPart =>
  async (part, start, length, signal) => {
    const bytes = new Uint8Array(length);
    await readElements(files.source(part.file), part, start, bytes, signal);
    return bytes;
  };

/**
 * The codes and scales of a weight as its files hold them, so that it can be stored in another layout without being decoded.
 * @returns undefined for a weight that is not stored as codes with scales.
 * @throws QuantscopeError IO, MODEL_FILE, CANCELLED.
 */
export async function quantizedReader(
  model: Pick<Model, 'source'>,
  tensor: TensorDescriptor,
  signal?: AbortSignal,
): Promise<QuantizedReader | undefined> {
  return isStored(tensor) ? layoutOf(tensor).codes?.(tensor, partReader(model), signal) : undefined;
}
