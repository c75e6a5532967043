import { readFileSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { loadNative } from '../../src/native';
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
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
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
