import koffi from 'koffi';
import type { GgmlQuantType } from '../../src/protocol/ggmlTypes';
import { llamaCppLibrary } from './cache';

/** One type of llama.cpp: its layout, and its two functions over all of the given rows in this thread or in several. */
export interface LlamaCppKernel {
  /** Bytes of that many weights. */
  bytes(weights: number): number;
  encode(values: Float32Array, columns: number, codes: Uint8Array, importance?: Float32Array): void;
  encodeIn(
    threads: number,
    values: Float32Array,
    columns: number,
    codes: Uint8Array,
    importance?: Float32Array,
  ): Promise<void>;
  decode(codes: Uint8Array, floats: Float32Array): void;
  decodeIn(threads: number, columns: number, codes: Uint8Array, floats: Float32Array): Promise<void>;
}

interface TypeTraits {
  readonly name: string;
  readonly block: number;
  readonly size: number;
  readonly toFloat: unknown;
}

/** A C function that koffi found: called here, or in one of libuv's threads. */
interface Foreign {
  (...args: unknown[]): unknown;
  /** The last argument is a callback. */
  async(this: void, ...args: unknown[]): void;
}

/** One more than the last id of a type; llama.cpp does not check the id that it is asked about. */
const typeCount = 43;

const base = koffi.load(llamaCppLibrary('libggml-base'));
koffi.struct('ggml_type_traits', {
  name: 'const char *',
  block: 'int64_t',
  interleave: 'int64_t',
  size: 'size_t',
  quantized: 'bool',
  toFloat: 'void *',
  fromFloat: 'void *',
});
const toFloat = koffi.proto('void to_float(const void *src, float *dst, int64_t n)');
const typeTraits = base.func('const ggml_type_traits *ggml_get_type_traits(int type)');
const quantizeInit = base.func('void ggml_quantize_init(int type)');
const quantizeChunk = base.func(
  'size_t ggml_quantize_chunk(int type, const float *src, void *dst, int64_t start, int64_t nrows, int64_t n_per_row, const float *imatrix)',
) as Foreign;
const memcpy = koffi
  .load('libc.so.6')
  .func('void *memcpy(void *dst, const void *src, size_t bytes)') as Foreign;

/** llama.cpp's own functions for a type, by our name for it. */
export function llamaCppKernel(type: GgmlQuantType): LlamaCppKernel {
  const { id, block, size, toFloat: address } = findType(type);
  const decodeRow = koffi.decode(address, toFloat) as Foreign;
  const bytes = (weights: number): number => (weights / block) * size;
  quantizeInit(id);
  return {
    bytes,
    encode(values, columns, codes, importance) {
      const rows = values.length / columns;
      const written = quantizeChunk(id, values, codes, 0, rows, columns, importance ?? null);
      if (Number(written) !== codes.length)
        throw new Error(`llama.cpp wrote ${Number(written)} bytes of ${type} instead of ${codes.length}`);
    },
    async encodeIn(threads, values, columns, codes, importance) {
      const calls = shares(values.length / columns, threads).map(([first, end]) =>
        inBackground(
          quantizeChunk,
          ...[id, values, codes, first * columns, end - first, columns, importance ?? null],
        ),
      );
      await Promise.all(calls);
    },
    decode(codes, floats) {
      decodeRow(codes, floats, floats.length);
    },
    async decodeIn(threads, columns, codes, floats) {
      const calls = shares(floats.length / columns, threads).map(([first, end]) => {
        const source = codes.subarray(bytes(first * columns), bytes(end * columns));
        const target = floats.subarray(first * columns, end * columns);
        return inBackground(decodeRow, source, target, target.length);
      });
      await Promise.all(calls);
    },
  };
}

/** What the machine can do at best: the C library's memcpy, in this thread or in several. */
export async function copyFloats(source: Float32Array, target: Float32Array, threads: number): Promise<void> {
  if (threads === 1) {
    memcpy(target, source, source.byteLength);
    return;
  }
  const calls = shares(source.length, threads).map(([first, end]) =>
    inBackground(memcpy, target.subarray(first, end), source.subarray(first, end), (end - first) * 4),
  );
  await Promise.all(calls);
}

function inBackground(call: Foreign, ...args: unknown[]): Promise<void> {
  return new Promise((resolve, reject) => {
    call.async(...args, (error: Error | null) => (error ? reject(error) : resolve()));
  });
}

function findType(type: GgmlQuantType): TypeTraits & { readonly id: number } {
  for (let id = 0; id < typeCount; id++) {
    const traits = koffi.decode(typeTraits(id), 'ggml_type_traits') as TypeTraits;
    if (traits.name.toUpperCase() === type.toUpperCase()) return { ...traits, id };
  }
  throw new Error(`llama.cpp has no type ${type}`);
}

/** Consecutive parts of `count` things: first and end of each. */
function shares(count: number, parts: number): [first: number, end: number][] {
  const bound = (part: number): number => Math.floor((count * part) / parts);
  return Array.from({ length: parts }, (_, part) => [bound(part), bound(part + 1)]);
}
