import { ggmlTypes, type InputRounding } from '../protocol/ggmlTypes';
import { said } from '../protocol/said';

/** How a dtype lays out weights in bytes. */
export interface Dtype {
  readonly name: string;
  /** Weights per block (1 for plain numbers). */
  readonly block: number;
  /** Bits per block; a multiple of 8 except for the packed sub-byte dtypes of safetensors. */
  readonly bitsPerBlock: number;
  /** Whether the addon decodes it to float32. */
  readonly decodable: boolean;
  /** Whether it holds real-valued weights that can be quantized. */
  readonly float: boolean;
}

const plain = (name: string, bits: number, float: boolean, decodable = true): Dtype => ({
  name,
  block: 1,
  bitsPerBlock: bits,
  decodable,
  float,
});

/** Dtypes of the safetensors specification (safetensors 0.6). */
const safetensorsTable: readonly Dtype[] = [
  plain('BOOL', 8, false),
  plain('U8', 8, false),
  plain('I8', 8, false),
  plain('I16', 16, false),
  plain('U16', 16, false),
  plain('F16', 16, true),
  plain('BF16', 16, true),
  plain('I32', 32, false),
  plain('U32', 32, false),
  plain('F32', 32, true),
  plain('F64', 64, true),
  plain('I64', 64, false),
  plain('U64', 64, false),
  plain('C64', 64, false, false),
  plain('F8_E4M3', 8, true),
  plain('F8_E5M2', 8, true),
  plain('F8_E4M3FNUZ', 8, true, false),
  plain('F8_E5M2FNUZ', 8, true, false),
  plain('F8_E8M0', 8, false, false),
  plain('F6_E2M3', 6, true, false),
  plain('F6_E3M2', 6, true, false),
  plain('F4', 4, true, false),
  plain('I4', 4, false, false),
  plain('U4', 4, false, false),
];

/** A ggml type with its id in GGUF files. */
export interface GgmlType extends Dtype {
  readonly id: number;
  readonly rounding?: InputRounding;
}

const ggmlTable: readonly GgmlType[] = ggmlTypes.map(({ bytes, ...row }) => ({
  ...row,
  bitsPerBlock: bytes * 8,
  float: !/^I\d+$/.test(row.name),
}));

/** Types of older files that ggml removed. */
const removed: Readonly<Record<number, string>> = {
  4: 'Q4_2',
  5: 'Q4_3',
  31: 'Q4_0_4_4',
  32: 'Q4_0_4_8',
  33: 'Q4_0_8_8',
  36: 'IQ4_NL_4_4',
  37: 'IQ4_NL_4_8',
  38: 'IQ4_NL_8_8',
};

const safetensorsByName = new Map(safetensorsTable.map((dtype) => [dtype.name, dtype]));
const ggmlById = new Map(ggmlTable.map((type) => [type.id, type]));
const ggmlByName = new Map(ggmlTable.map((type) => [type.name, type]));

export function safetensorsDtype(name: string): Dtype | undefined {
  return safetensorsByName.get(name);
}

/** A ggml type by id or name; undefined for removed and unknown ones. */
export function ggmlType(key: number | string): GgmlType | undefined {
  return typeof key === 'number' ? ggmlById.get(key) : ggmlByName.get(key);
}

/** Name of a ggml type id, for removed ("Q4_2 (removed)") and unknown ("type 99 (unknown)") ones too. */
export function ggmlTypeName(id: number): string {
  const old = removed[id];
  return ggmlById.get(id)?.name ?? (old === undefined ? `type ${id} (unknown)` : `${old} (removed)`);
}

/** The id of a name that `ggmlTypeName` gave, including removed and unknown types; undefined for anything else. */
export function ggmlTypeId(name: string): number | undefined {
  const unknown = /^type (\d+) \(unknown\)$/.exec(name)?.[1];
  if (unknown !== undefined) return Number(unknown);
  const old = Object.entries(removed).find(([, base]) => name === `${base} (removed)`)?.[0];
  return old === undefined ? ggmlByName.get(name)?.id : Number(old);
}

/** Whether this is the name of a removed or unknown ggml type, whose layout is not known. */
export const isForeignType = (name: string): boolean =>
  !ggmlByName.has(name) && ggmlTypeId(name) !== undefined;

/** Why a type without a known layout cannot be decoded, and what can be done. */
export function foreignTypeReason(id: number): string {
  const old = removed[id];
  return old === undefined
    ? said`Type ${id} is not a known ggml type: a fork or a newer version of llama.cpp has it. The tensor can be copied but not decoded.`
    : said`${old} was removed from GGUF. The tensor can be copied but not decoded; quantize the original weights again, to Q4_0 or a K type.`;
}

/**
 * Bytes of a row of `columns` weights of a ggml type.
 * @throws RangeError if the type is unknown or the row length is not a multiple of its block size.
 */
export function ggmlRowBytes(name: string, columns: number): number {
  const type = ggmlByName.get(name);
  if (!type || columns % type.block !== 0) throw new RangeError(`No row of ${columns} weights in ${name}`);
  return (columns / type.block) * (type.bitsPerBlock / 8);
}

/** The dtype of a descriptor: safetensors and ggml names do not contradict each other. */
export function dtypeNamed(name: string): Dtype | undefined {
  return safetensorsByName.get(name) ?? ggmlByName.get(name);
}

/** Whether weights of this dtype were quantized: to blocks of a ggml type, or to what a layout decodes. */
export function isQuantizedDtype(name: string): boolean {
  const known = dtypeNamed(name);
  return known ? known.block > 1 : name !== '?' && !isForeignType(name);
}

/** Exact bytes of `elements` weights, rounded up to whole bytes; undefined if they are not a multiple of the block size. */
export function bytesOf(dtype: Dtype, elements: number): number | undefined {
  if (elements % dtype.block !== 0) return undefined;
  return Math.ceil(((elements / dtype.block) * dtype.bitsPerBlock) / 8);
}

/** Product of the dimensions, or undefined when it exceeds the exact integers (2^53). */
export function elementsOf(shape: readonly number[]): number | undefined {
  let product = 1;
  for (const dimension of shape) product *= dimension;
  return Number.isSafeInteger(product) ? product : undefined;
}
