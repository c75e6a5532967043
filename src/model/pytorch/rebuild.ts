import { maxDimensions } from '../limits';
import { dtypeGlobal } from './dtypes';
import {
  asKind,
  itemsOf,
  type PickledTensor,
  type PickleValue,
  type Sequence,
  type Storage,
  type TorchDtype,
} from './values';
import { said } from '../../protocol/said';

/**
 * The functions that tensors are made by when a pickle is loaded, and what each makes of its arguments.
 * @see https://github.com/pytorch/pytorch/blob/main/torch/_utils.py
 */
export const rebuilds: readonly [string, (args: readonly PickleValue[]) => PickleValue | undefined][] = [
  ['torch._utils._rebuild_tensor', ([storage, ...place]) => tensorOf(storage, place)],
  [
    'torch._utils._rebuild_tensor_v2',
    ([storage, offset, size, stride, , , metadata]) =>
      tensorOf(storage, [offset, size, stride], { metadata }),
  ],
  [
    'torch._utils._rebuild_tensor_v3',
    ([storage, offset, size, stride, , , dtype, metadata]) => {
      const known = asKind(dtype, 'dtype');
      return known && tensorOf(storage, [offset, size, stride], { dtype: known, metadata });
    },
  ],
  ['torch._utils._rebuild_parameter', ([data]) => data],
  ['torch._utils._rebuild_parameter_with_state', ([data]) => data],
  ['torch._utils._rebuild_device_tensor_from_cpu_tensor', ([data]) => data],
  ['torch._utils._rebuild_qtensor', ([storage, ...place]) => tensorOf(storage, place)],
  ['torch._utils._rebuild_sparse_tensor', ([, data]) => sparse(itemsOf(data))],
  [
    'torch._utils._rebuild_meta_tensor_no_storage',
    ([dtype, size]) => {
      const [known, shape] = [asKind(dtype, 'dtype'), sizesOf(size)];
      return known && shape && withoutData(known, shape, said`It was saved without data (a "meta" tensor).`);
    },
  ],
];

/** Most parts of a sparse tensor. */
const sparseParts = 4;

const anyBytes = dtypeGlobal('torch.uint8')!;

/** @param place first element, shape and strides. @returns a tensor, the stand-in of a storage, or undefined where the arguments do not fit. */
function tensorOf(
  storage: PickleValue | undefined,
  [start, size, stride]: readonly (PickleValue | undefined)[],
  { dtype, metadata }: { dtype?: TorchDtype; metadata?: PickleValue | undefined } = {},
): PickleValue | undefined {
  const held = asKind(storage, 'storage');
  if (!held) return asKind(storage, 'foreign');
  const [shape, strides] = [sizesOf(size), sizesOf(stride)];
  if (!isSize(start) || !shape || strides?.length !== shape.length) return undefined;
  const type = dtype ?? held.type.dtype ?? anyBytes;
  const problem = held.type.problem ?? problemOf(held, type) ?? changedOnLoad(metadata);
  return {
    ...{ kind: 'tensor', dtype: type.dtype, bytes: type.bytes, shape },
    view: { storage: held, offset: start, strides },
    ...(problem === undefined ? {} : { problem }),
  };
}

/** Where a storage of one dtype is read as another: only one that counts bytes may be. */
const problemOf = ({ type }: Storage, read: TorchDtype): string | undefined =>
  type.dtype && type.dtype !== anyBytes && type.dtype !== read
    ? `Its storage holds ${type.dtype.name}, not ${read.name}.`
    : undefined;

/** Conjugated and negated views are changed when they are loaded. */
function changedOnLoad(metadata: PickleValue | undefined): string | undefined {
  const flags = asKind(metadata, 'dict')?.entries;
  return flags?.get('conj') === true || flags?.get('neg') === true
    ? 'It is a conjugated or negated view, which cannot be decoded.'
    : undefined;
}

/** @param data tensors of indices, the tensor of values, the shape, and in the layout COO perhaps a flag. */
function sparse(data: readonly PickleValue[] = []): PickledTensor | undefined {
  if (data.length > sparseParts) return undefined;
  const shape = sizesOf(data.findLast((item) => asKind(item, 'tuple')));
  const values = data.map((item) => asKind(item, 'tensor')).findLast((item) => item !== undefined);
  if (!shape || !values) return undefined;
  const { dtype, bytes } = values;
  return {
    kind: 'tensor',
    dtype,
    bytes,
    shape,
    problem: said`It is a sparse tensor, which cannot be decoded.`,
  };
}

const withoutData = (
  { dtype, bytes }: TorchDtype,
  shape: readonly number[],
  problem: string,
): PickledTensor => ({
  ...{ kind: 'tensor', dtype, bytes, shape, problem },
});

const isSize = (value: PickleValue | undefined): value is number =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0;

function sizesOf(value: PickleValue | undefined): readonly number[] | undefined {
  const items: Sequence['items'] | undefined = asKind(value, 'tuple')?.items ?? asKind(value, 'list')?.items;
  return items && items.length <= maxDimensions && items.every(isSize) ? items : undefined;
}
