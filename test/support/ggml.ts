import koffi from 'koffi';
import { llamaCppLibrary } from './cache';

/** ggml's ids of the types that are compared. */
export const ggmlTypes = { F16: 1, Q4_0: 2, Q8_0: 8, Q4_K: 12, Q5_K: 13, Q6_K: 14, BF16: 30 } as const;
export type GgmlTypeName = keyof typeof ggmlTypes;

const library = koffi.load(llamaCppLibrary('libggml-base'));
const quantizeChunk = library.func(
  'size_t ggml_quantize_chunk(int type, float *src, uint8_t *dst, int64_t start, int64_t nrows, int64_t n_per_row, void *imatrix)',
);

/** What llama.cpp writes for these rows without an importance matrix. */
export function ggmlQuantize(
  type: GgmlTypeName,
  values: Float32Array,
  columns: number,
  bytes: number,
): Uint8Array {
  const target = new Uint8Array(bytes);
  const written = quantizeChunk(
    ggmlTypes[type],
    values,
    target,
    0,
    values.length / columns,
    columns,
    null,
  ) as number;
  if (Number(written) !== bytes)
    throw new Error(`ggml wrote ${written} bytes of ${type} where ${bytes} were expected`);
  return target;
}

const dequantizers = {
  F16: 'ggml_fp16_to_fp32_row',
  BF16: 'ggml_bf16_to_fp32_row',
  Q4_0: 'dequantize_row_q4_0',
  Q8_0: 'dequantize_row_q8_0',
  Q4_K: 'dequantize_row_q4_K',
  Q5_K: 'dequantize_row_q5_K',
  Q6_K: 'dequantize_row_q6_K',
  Q4_1: 'dequantize_row_q4_1',
  Q5_0: 'dequantize_row_q5_0',
  Q5_1: 'dequantize_row_q5_1',
  Q2_K: 'dequantize_row_q2_K',
  Q3_K: 'dequantize_row_q3_K',
} as const;
export type DecodedTypeName = keyof typeof dequantizers;
export const decodedTypes = Object.keys(dequantizers) as DecodedTypeName[];

/** What llama.cpp decodes from these blocks. */
export function ggmlDequantize(type: DecodedTypeName, blocks: Uint8Array, weights: number): Float32Array {
  const target = new Float32Array(weights);
  library.func(`void ${dequantizers[type]}(uint8_t *src, float *dst, int64_t n)`)(blocks, target, weights);
  return target;
}
