import type { TensorDescriptor } from '../../protocol/model';
import { said } from '../../protocol/said';
import type { ByteSource } from '../byteSource';
import { elementsOf, safetensorsDtype } from '../dtypes';
import { readability } from '../truncated';
import type { PickledTensor, Storage, TensorView } from './values';

/** Where the data of a storage is. */
export interface StoragePlace {
  /** Absolute offset in the file. */
  readonly offset: number;
  /** Bytes. */
  readonly size: number;
}

/** Makes an error about a tensor of the file. */
export type Fail = (message: string, offset: number, tensor?: string) => Error;

/**
 * The descriptor of a tensor.
 * @param placeOf where a storage is.
 * @throws what `fail` makes when the tensor reaches beyond its storage, or has more weights than can be counted exactly.
 */
export function describeTensor(
  name: string,
  tensor: PickledTensor,
  source: ByteSource,
  placeOf: (storage: Storage) => StoragePlace,
  fail: Fail,
): TensorDescriptor {
  const { dtype, shape, bytes, view, problem } = tensor;
  const elements = elementsOf(shape);
  const byteLength = elements === undefined ? undefined : elements * bytes;
  if (elements === undefined || !Number.isSafeInteger(byteLength))
    throw fail(said`The shape [${shape.join(', ')}] has more weights than can be counted exactly.`, 0, name);
  const described = { name, dtype, shape, elements, file: source.path, byteLength: byteLength! };
  if (!view) return { ...described, offset: 0, ...unreadable(problem ?? 'It has no data of its own.') };
  const place = placeOf(view.storage);
  const offset = place.offset + firstByte(view, bytes);
  const extent = elements === 0 ? 0 : extentOf(shape, view.strides) * bytes;
  const end = offset - place.offset + extent;
  if (!(end <= place.size))
    throw fail(
      said`The tensor reaches byte ${end} of its storage, which has ${place.size}.`,
      place.offset,
      name,
    );
  const strides = isContiguous(shape, view.strides) ? {} : { strides: view.strides };
  const undecodable =
    problem ?? (safetensorsDtype(dtype)?.decodable === true ? undefined : `${dtype} cannot be decoded.`);
  return { ...described, offset, ...strides, ...readability(offset, extent, source.size, undecodable) };
}

const unreadable = (unreadableReason: string): Pick<TensorDescriptor, 'readable' | 'unreadableReason'> => ({
  readable: false,
  unreadableReason,
});

/** Bytes of a storage before the first element of a view. */
function firstByte({ storage, offset }: TensorView, bytes: number): number {
  return storage.start * (storage.type.dtype?.bytes ?? 1) + offset * bytes;
}

/** Elements from the first to the last of a tensor that has any, both included. */
const extentOf = (shape: readonly number[], strides: readonly number[]): number =>
  shape.reduce((last, size, i) => last + (size - 1) * strides[i]!, 1);

/** Whether the elements follow each other in the order of the tensor. Strides of dimensions of size 1 mean nothing. */
export function isContiguous(shape: readonly number[], strides: readonly number[]): boolean {
  if (shape.includes(0)) return true;
  let expected = 1;
  for (let i = shape.length - 1; i >= 0; i--) {
    const size = shape[i]!;
    if (size !== 1 && strides[i] !== expected) return false;
    expected *= size;
  }
  return true;
}
