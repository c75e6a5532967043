import type { StorageType, TorchDtype } from './values';
import { said } from '../../protocol/said';

const row = (name: string, dtype: string, bytes: number): TorchDtype => ({
  ...{ kind: 'dtype', name, dtype, bytes },
});

/** Dtypes of PyTorch, and the names that safetensors has for them. */
const dtypes: readonly TorchDtype[] = [
  row('float64', 'F64', 8),
  row('float32', 'F32', 4),
  row('float16', 'F16', 2),
  row('bfloat16', 'BF16', 2),
  row('int64', 'I64', 8),
  row('int32', 'I32', 4),
  row('int16', 'I16', 2),
  row('int8', 'I8', 1),
  row('uint64', 'U64', 8),
  row('uint32', 'U32', 4),
  row('uint16', 'U16', 2),
  row('uint8', 'U8', 1),
  row('bool', 'BOOL', 1),
  row('complex64', 'C64', 8),
  row('complex128', 'C128', 16),
  row('float8_e4m3fn', 'F8_E4M3', 1),
  row('float8_e5m2', 'F8_E5M2', 1),
  row('float8_e4m3fnuz', 'F8_E4M3FNUZ', 1),
  row('float8_e5m2fnuz', 'F8_E5M2FNUZ', 1),
  row('float8_e8m0fnu', 'F8_E8M0', 1),
];

const byName = new Map(dtypes.map((dtype) => [dtype.name, dtype]));

const plainStorages: Readonly<Record<string, string>> = {
  DoubleStorage: 'float64',
  FloatStorage: 'float32',
  HalfStorage: 'float16',
  BFloat16Storage: 'bfloat16',
  LongStorage: 'int64',
  IntStorage: 'int32',
  ShortStorage: 'int16',
  CharStorage: 'int8',
  ByteStorage: 'uint8',
  BoolStorage: 'bool',
  ComplexFloatStorage: 'complex64',
  ComplexDoubleStorage: 'complex128',
};

/** Codes of torch's own quantized tensors: their scale is not in the storage. */
const codeStorages: Readonly<Record<string, string>> = {
  QInt8Storage: 'int8',
  QUInt8Storage: 'uint8',
  QInt32Storage: 'int32',
  QUInt4x2Storage: 'uint8',
  QUInt2x4Storage: 'uint8',
};

/** A storage that only knows its bytes. */
const untyped: StorageType = { kind: 'storage type' };

const storages = new Map<string, StorageType>([
  ...Object.entries(plainStorages).map(([name, of]): [string, StorageType] => [
    name,
    { kind: 'storage type', dtype: byName.get(of)! },
  ]),
  ...Object.entries(codeStorages).map(([name, of]): [string, StorageType] => [
    name,
    {
      ...{ kind: 'storage type', dtype: byName.get(of)! },
      problem: said`It is a quantized tensor of PyTorch (torch.quantize_per_tensor), which cannot be decoded.`,
    },
  ]),
  ...['UntypedStorage', '_UntypedStorage'].map((name): [string, StorageType] => [name, untyped]),
]);

/** `torch.bfloat16` and the like, by the full name. */
export function dtypeGlobal(name: string): TorchDtype | undefined {
  return name.startsWith('torch.') ? byName.get(name.slice(6)) : undefined;
}

/** The class of a storage by its full name: that of a device (`torch.cuda.HalfStorage`) holds the same data. */
export function storageGlobal(name: string): StorageType | undefined {
  const base = /^torch\.(?:storage\.|cuda\.)?(\w+Storage)$/.exec(name)?.[1];
  return base === undefined ? undefined : storages.get(base);
}
