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
}

const ggml = (id: number, name: string, block: number, bytes: number, decodable = false): GgmlType => ({
  id,
  name,
  block,
  bitsPerBlock: bytes * 8,
  decodable,
  float: !/^I\d+$/.test(name),
});

/** ggml's types (ggml.h, version 0.25). Ids 4, 5, 31 to 33 and 36 to 38 were removed. */
const ggmlTable: readonly GgmlType[] = [
  ggml(0, 'F32', 1, 4, true),
  ggml(1, 'F16', 1, 2, true),
  ggml(2, 'Q4_0', 32, 18, true),
  ggml(3, 'Q4_1', 32, 20, true),
  ggml(6, 'Q5_0', 32, 22, true),
  ggml(7, 'Q5_1', 32, 24, true),
  ggml(8, 'Q8_0', 32, 34, true),
  ggml(9, 'Q8_1', 32, 36),
  ggml(10, 'Q2_K', 256, 84, true),
  ggml(11, 'Q3_K', 256, 110, true),
  ggml(12, 'Q4_K', 256, 144, true),
  ggml(13, 'Q5_K', 256, 176, true),
  ggml(14, 'Q6_K', 256, 210, true),
  ggml(15, 'Q8_K', 256, 292),
  ggml(16, 'IQ2_XXS', 256, 66, true),
  ggml(17, 'IQ2_XS', 256, 74, true),
  ggml(18, 'IQ3_XXS', 256, 98, true),
  ggml(19, 'IQ1_S', 256, 50, true),
  ggml(20, 'IQ4_NL', 32, 18, true),
  ggml(21, 'IQ3_S', 256, 110, true),
  ggml(22, 'IQ2_S', 256, 82, true),
  ggml(23, 'IQ4_XS', 256, 136, true),
  ggml(24, 'I8', 1, 1, true),
  ggml(25, 'I16', 1, 2, true),
  ggml(26, 'I32', 1, 4, true),
  ggml(27, 'I64', 1, 8, true),
  ggml(28, 'F64', 1, 8, true),
  ggml(29, 'IQ1_M', 256, 56, true),
  ggml(30, 'BF16', 1, 2, true),
  ggml(34, 'TQ1_0', 256, 54, true),
  ggml(35, 'TQ2_0', 256, 66, true),
  ggml(39, 'MXFP4', 32, 17, true),
  ggml(40, 'NVFP4', 64, 36, true),
  ggml(41, 'Q1_0', 128, 18, true),
  ggml(42, 'Q2_0', 64, 18, true),
];

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
    ? `Type ${id} is not a known ggml type: a fork or a newer version of llama.cpp has it. The tensor can be copied but not decoded.`
    : `${old} was removed from GGUF. The tensor can be copied but not decoded; quantize the original weights again, to Q4_0 or a K type.`;
}

/**
 * Bytes of a row of `columns` weights of a ggml type.
 * @throws RangeError when the type is unknown or the row is not whole blocks.
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

/** Exact bytes of `elements` weights, rounded up to whole bytes; undefined when they are not whole blocks. */
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
