/**
 * ggml's types (ggml.h, version 0.25), one row for each. Everything that the product knows of a type outside the addon derives from
 * here: dtypes of GGUF files, the catalogue of formats, types that can be exported, importance, activations, and versions.
 */

/** How llama.cpp's CPU kernels round the inputs of a quantized matrix before they multiply (`vec_dot_type` of its type). */
export type InputRounding = 'Q8_0' | 'Q8_K';

/**
 * What an encoder does without importance weights: `required`, it cannot work; `expected`, llama.cpp writes a file type of this base
 * only with an importance matrix (llama-quant.cpp), except in embedding and output.
 */
export type ImportanceNeed = 'required' | 'expected';

/** How a type is written. */
export interface GgmlEncoding {
  /** One sentence: what is shared, what is stored. */
  readonly description: string;
  readonly importance?: ImportanceNeed;
  /** Type for rows that are not whole blocks (llama.cpp v0.5.0, llama-quant.cpp, tensor_type_fallback); else F16. */
  readonly fallback?: string;
  /** Raised when the same weights give other bytes or values; see `quant/algorithms.ts`. */
  readonly version: number;
}

/** A ggml type. */
export interface GgmlRow {
  /** In GGUF files. */
  readonly id: number;
  readonly name: string;
  /** Weights per block (1 for plain numbers), and bytes. */
  readonly block: number;
  readonly bytes: number;
  /** Whether the addon decodes it. */
  readonly decodable: boolean;
  readonly rounding?: InputRounding;
  /** Present where the addon encodes it as a format. */
  readonly encoding?: GgmlEncoding;
}

const number = <Name extends string>(id: number, name: Name, bytes: number) =>
  ({ id, name, block: 1, bytes, decodable: true }) as const;

/** A type of llama.cpp's own computations: no file has it. */
const internal = <Name extends string>(id: number, name: Name, block: number, bytes: number) =>
  ({ id, name, block, bytes, decodable: false }) as const;

const half = <Name extends string>(id: number, name: Name, description: string) =>
  ({ ...number(id, name, 2), encoding: { description, version: 1 } }) as const;

/** Blocks of 32 to 128: their products take inputs in blocks of 32. */
const small = <Name extends string>(
  id: number,
  name: Name,
  [block, bytes]: readonly [number, number],
  description: string,
  more: { readonly fallback?: string } = {},
) =>
  ({
    ...{ id, name, block, bytes, decodable: true, rounding: 'Q8_0' as const },
    encoding: { description, version: 1, ...more },
  }) as const;

/** Super-blocks of 256. */
const large = <Name extends string>(
  id: number,
  name: Name,
  bytes: number,
  description: string,
  more: { readonly fallback: string; readonly importance?: ImportanceNeed },
) =>
  ({
    ...{ id, name, block: 256, bytes, decodable: true, rounding: 'Q8_K' as const },
    encoding: { description, version: 1, ...more },
  }) as const;

/** Rows of types that are formats are in the order in which lists show them, by size. Ids 4, 5, 31 to 33 and 36 to 38 were removed. */
const rows = [
  small(41, 'Q1_0', [128, 18], 'Blocks of 128: the mean magnitude and a sign per weight.'),
  large(19, 'IQ1_S', 50, 'Ternary codes on a lattice of 8 weights, 3-bit scales per 32. Needs an imatrix.', {
    ...{ fallback: 'IQ4_NL', importance: 'required' },
  }),
  large(34, 'TQ1_0', 54, 'Super-blocks of 256: one scale, −1, 0 or 1 per weight, five to a byte.', {
    fallback: 'Q4_0',
  }),
  large(29, 'IQ1_M', 56, 'Ternary codes on a lattice of 8 weights, 3-bit scales per 16.', {
    ...{ fallback: 'IQ4_NL', importance: 'expected' },
  }),
  large(
    16,
    'IQ2_XXS',
    66,
    'Three magnitudes on a lattice of 8 weights, 4-bit scales per 32. Needs an imatrix.',
    {
      ...{ fallback: 'IQ4_NL', importance: 'required' },
    },
  ),
  large(35, 'TQ2_0', 66, 'Super-blocks of 256: one scale, −1, 0 or 1 per weight, four to a byte.', {
    fallback: 'Q4_0',
  }),
  small(42, 'Q2_0', [64, 18], 'Blocks of 64: the largest magnitude and 2-bit codes.', { fallback: 'Q4_0' }),
  large(
    17,
    'IQ2_XS',
    74,
    'Three magnitudes on a lattice of 8 weights, 4-bit scales per 16. Needs an imatrix.',
    {
      ...{ fallback: 'IQ4_NL', importance: 'required' },
    },
  ),
  large(22, 'IQ2_S', 82, 'Three magnitudes on a lattice of 8 weights of 1024 points, 4-bit scales per 16.', {
    ...{ fallback: 'IQ4_NL', importance: 'expected' },
  }),
  large(10, 'Q2_K', 84, 'Super-blocks of 256: 16 sub-blocks with 4-bit scales and minima, 2-bit codes.', {
    fallback: 'Q4_0',
  }),
  large(18, 'IQ3_XXS', 98, 'Eight magnitudes on a lattice of 4 weights of 256 points, 4-bit scales per 32.', {
    ...{ fallback: 'IQ4_NL', importance: 'expected' },
  }),
  large(21, 'IQ3_S', 110, 'Eight magnitudes on a lattice of 4 weights of 512 points, 4-bit scales per 32.', {
    fallback: 'IQ4_NL',
  }),
  large(11, 'Q3_K', 110, 'Super-blocks of 256: 16 sub-blocks with 6-bit scales, 3-bit codes.', {
    fallback: 'Q4_0',
  }),
  large(
    23,
    'IQ4_XS',
    136,
    'Super-blocks of 256: 8 sub-blocks with 6-bit scales, 4-bit codes into an uneven table.',
    {
      fallback: 'IQ4_NL',
    },
  ),
  small(39, 'MXFP4', [32, 17], 'Blocks of 32: a power of two and 4-bit floats (E2M1), OCP Microscaling.'),
  small(20, 'IQ4_NL', [32, 18], 'Blocks of 32: a half-precision scale and 4-bit codes into an uneven table.'),
  small(40, 'NVFP4', [64, 36], 'Blocks of 64: an 8-bit float scale per 16 weights and 4-bit floats (E2M1).'),
  small(2, 'Q4_0', [32, 18], 'Blocks of 32: a half-precision scale and 4-bit codes.'),
  large(12, 'Q4_K', 144, 'Super-blocks of 256: 8 sub-blocks with 6-bit scales and minima, 4-bit codes.', {
    fallback: 'Q5_0',
  }),
  small(3, 'Q4_1', [32, 20], 'Blocks of 32: a half-precision scale and minimum and 4-bit codes.'),
  small(6, 'Q5_0', [32, 22], 'Blocks of 32: a half-precision scale and 5-bit codes.'),
  large(13, 'Q5_K', 176, 'Super-blocks of 256: 8 sub-blocks with 6-bit scales and minima, 5-bit codes.', {
    fallback: 'Q5_1',
  }),
  small(7, 'Q5_1', [32, 24], 'Blocks of 32: a half-precision scale and minimum and 5-bit codes.'),
  large(14, 'Q6_K', 210, 'Super-blocks of 256: 16 sub-blocks with 8-bit scales, 6-bit codes.', {
    fallback: 'Q8_0',
  }),
  small(8, 'Q8_0', [32, 34], 'Blocks of 32: a half-precision scale and 8-bit codes.'),
  half(1, 'F16', 'IEEE half precision.'),
  half(30, 'BF16', 'The upper half of a float32.'),
  number(0, 'F32', 4),
  number(28, 'F64', 8),
  number(24, 'I8', 1),
  number(25, 'I16', 2),
  number(26, 'I32', 4),
  number(27, 'I64', 8),
  internal(9, 'Q8_1', 32, 36),
  internal(15, 'Q8_K', 256, 292),
] as const satisfies readonly GgmlRow[];

/** ggml's types that the addon encodes. */
export type GgmlQuantType = Extract<(typeof rows)[number], { encoding: unknown }>['name'];

/** All types. */
export const ggmlTypes: readonly GgmlRow[] = rows;

/** Those that can be chosen for a tensor, smallest first. */
export const ggmlFormats = rows.filter((row) => 'encoding' in row) as readonly (GgmlRow & {
  readonly name: GgmlQuantType;
  readonly encoding: GgmlEncoding;
})[];

const inBlocks: ReadonlySet<string> = new Set(
  ggmlTypes.filter(({ block, decodable }) => block > 1 && decodable).map(({ name }) => name),
);

/** Whether it can be shown how a tensor is stored: in several tensors of a checkpoint, or in blocks of a ggml type. */
export const isStoredQuantized = ({
  dtype,
  stored,
}: {
  readonly dtype: string;
  readonly stored?: unknown;
}): boolean => stored !== undefined || inBlocks.has(dtype);
