import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../src/native';
import type { Grid } from '../../src/protocol/grids';
import type { WeightDtype } from '../../src/quant/grids/libraries';
import { decodeRows, roundToNearest } from '../../src/quant/grids/roundToNearest';
import type { QuantizedRows } from '../../src/quant/quantized';
import { hasSharedData, sharedData } from './files';

/** Inputs and outputs of the real libraries. */
const folder = join(sharedData, 'reference');

export interface ReferenceTensor {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Uint8Array;
  /** Its values as float32. */
  floats(): Promise<Float32Array>;
}

/** Tensors of a safetensors file of the reference data, by name. */
export function readReference(...path: string[]): ReadonlyMap<string, ReferenceTensor> {
  const bytes = readFileSync(join(folder, ...path));
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const header = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const entries = Object.entries(header).filter(([name]) => name !== '__metadata__');
  return new Map(
    entries.map(([name, { dtype, shape, data_offsets: range }]) => {
      const own = Uint8Array.from(bytes.subarray(start + range[0], start + range[1]));
      return [name, { dtype, shape, bytes: own, floats: () => floatsOf(dtype, shape, own) }];
    }),
  );
}

async function floatsOf(dtype: string, shape: readonly number[], bytes: Uint8Array): Promise<Float32Array> {
  const values = new Float32Array(shape.reduce((product, size) => product * size, 1));
  await loadNative().decode(dtype, bytes, values);
  return values;
}

/** What a vector was made with. */
export function optionsOf(library: string, name: string): Record<string, unknown> {
  return JSON.parse(readFileSync(join(folder, library, 'vectors', `${name}.json`), 'utf8')) as Record<
    string,
    unknown
  >;
}

/** Names of the vectors of a library. */
export function vectorsOf(library: string, names: RegExp): string[] {
  if (!hasSharedData) return [];
  return readdirSync(join(folder, library, 'vectors'))
    .filter((name) => name.endsWith('.safetensors') && names.test(name))
    .map((name) => name.replace(/\.safetensors$/, ''));
}

/** An input, as "w64x128.heavy" names it, rounded to a dtype. */
export async function inputNamed(
  name: string,
  dtype: WeightDtype = 'F32',
): Promise<{ readonly values: Float32Array; readonly shape: readonly [number, number] }> {
  const [file] = readdirSync(join(folder, 'inputs')).filter((item) =>
    readReference('inputs', item).has(name),
  );
  const tensor = readReference('inputs', file!).get(name)!;
  const values = loadNative().storedScales(dtype, await tensor.floats());
  return { values, shape: tensor.shape as [number, number] };
}

/** Codes of `bits` bits from words, the least significant first. */
export function unpackBits(bytes: Uint8Array, bits: number, count: number): Uint8Array {
  return Uint8Array.from({ length: count }, (_, i) => {
    const bit = i * bits;
    const pair = bytes[bit >> 3]! | ((bytes[(bit >> 3) + 1] ?? 0) << 8);
    return (pair >> (bit & 7)) & ((1 << bits) - 1);
  });
}

/** Float dtypes as torch names them. */
const torchDtypes: Readonly<Record<string, WeightDtype>> = {
  'torch.float16': 'F16',
  'torch.bfloat16': 'BF16',
};

/** A vector: what the library gave, and the input that it was given. */
export interface Vector {
  readonly name: string;
  /** Everything that its .json says. */
  readonly description: Record<string, unknown>;
  /** Its `options`, as numbers where they are. */
  option(name: string): unknown;
  readonly dtype: WeightDtype;
  readonly values: Float32Array;
  readonly shape: readonly [number, number];
  bytes(tensor: string): Uint8Array;
  /** Float values of a tensor; E8M0 as powers of two. */
  floats(tensor: string): Promise<Float32Array>;
  has(tensor: string): boolean;
}

export async function vectorNamed(library: string, name: string): Promise<Vector> {
  const description = optionsOf(library, name);
  const tensors = readReference(library, 'vectors', `${name}.safetensors`);
  const dtype = torchDtypes[String(description['input_dtype'])] ?? 'F32';
  const [input] = String(description['input']).split(' ');
  const options = (description['options'] ?? {}) as Record<string, unknown>;
  return {
    ...{ name, description, dtype, ...(await inputNamed(input!, dtype)) },
    option: (option) => options[option],
    has: (tensor) => tensors.has(tensor),
    bytes: (tensor) => tensors.get(tensor)!.bytes,
    floats: async (tensor) => {
      const found = tensors.get(tensor)!;
      const { dtype: stored, bytes } = found;
      return stored === 'F8_E8M0' || (stored === 'U8' && tensor.endsWith('scale'))
        ? Float32Array.from(bytes, (byte) => 2 ** (byte - 127))
        : found.floats();
    },
  };
}

/** Rounds the input of a vector to nearest, and decodes it. */
export async function roundVector(
  { values, shape }: Vector,
  grid: Grid,
): Promise<QuantizedRows & { readonly decoded: Float32Array }> {
  const range = { min: Infinity, max: -Infinity };
  for (const value of values) {
    range.min = Math.min(range.min, value);
    range.max = Math.max(range.max, value);
  }
  const rows = await roundToNearest(grid, values, shape, { range });
  return { ...rows, decoded: await decodeRows(rows) };
}

/** `[columns, rows]` to `[rows, columns]`. */
export function transposed(codes: Uint8Array, [rows, columns]: readonly [number, number]): Uint8Array {
  return codes.map((_, i) => codes[(i % columns) * rows + Math.floor(i / columns)]!);
}
