import type { GgmlQuantType } from '../../protocol/ggmlTypes';

/** Offsets of the half-precision scales in a block (ggml-common.h). IQ1_M spreads its scale over four words. */
const scaleOffsets: Partial<Record<GgmlQuantType, readonly number[]>> = {
  Q1_0: [0],
  Q2_0: [0],
  Q4_0: [0],
  Q4_1: [0, 2],
  Q5_0: [0],
  Q5_1: [0, 2],
  Q8_0: [0],
  Q2_K: [80, 82],
  Q3_K: [108],
  Q4_K: [0, 2],
  Q5_K: [0, 2],
  Q6_K: [208],
  IQ1_S: [0],
  IQ2_XXS: [0],
  IQ2_XS: [0],
  IQ2_S: [0],
  IQ3_XXS: [0],
  IQ3_S: [0],
  IQ4_NL: [0],
  IQ4_XS: [0],
  TQ1_0: [52],
  TQ2_0: [64],
};

/** The largest finite half-precision number, 65504, without its sign: where an encoder would have needed a larger scale. */
const largestHalf = 0x7bff;

/** Index of the first block whose scale or minimum is saturated, ±65504; undefined where there is none. */
export function firstSaturatedBlock(type: string, data: Uint8Array, blockBytes: number): number | undefined {
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (const offset of scaleOffsets[type as GgmlQuantType] ?? [])
    for (let at = offset; at + 2 <= data.length; at += blockBytes)
      if ((view.getUint16(at, true) & 0x7fff) === largestHalf) return (at - offset) / blockBytes;
  return undefined;
}

/** Dtypes of one byte that have a code for NaN: the bits that are compared, and what they are then. */
const byteCodes: Readonly<Record<string, readonly [mask: number, code: number]>> = {
  F8_E4M3: [0x7f, 0x7f],
  F8_E5M2: [0x7c, 0x7c],
  F8_E4M3FNUZ: [0xff, 0x80],
  F8_E5M2FNUZ: [0xff, 0x80],
  F8_E8M0: [0xff, 0xff],
};

/** Index of the first number of one byte, or of float64, that is not finite; undefined where there is none, and for other dtypes. */
export function firstNotFinite(dtype: string, data: Uint8Array): number | undefined {
  const code = byteCodes[dtype];
  if (code) {
    const [mask, wanted] = code;
    const found = data.findIndex((byte) => (byte & mask) === wanted);
    return found < 0 ? undefined : found;
  }
  if (dtype !== 'F64') return undefined;
  const view = new DataView(data.buffer, data.byteOffset, data.byteLength);
  for (let i = 0; 8 * i + 8 <= data.length; i++) if (!Number.isFinite(view.getFloat64(8 * i, true))) return i;
  return undefined;
}
