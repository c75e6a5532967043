import type { BadWeight } from '../native';
import { said } from '../protocol/said';

/**
 * What is wrong with a weight, for errors. Everything is computed in float32: a float64 beyond its range is finite in the file, so its
 * value is stated.
 * @param dtype of `data`, the bytes that the weight's index counts in.
 */
export function badKind({ kind, index }: BadWeight, dtype: string, data: Uint8Array): string {
  if (kind !== 'infinite' || dtype !== 'F64') return kind;
  const value = new DataView(data.buffer, data.byteOffset, data.byteLength).getFloat64(8 * index, true);
  return Number.isFinite(value) ? said`${value}, beyond the range of float32` : kind;
}
