import { ggmlType } from '../model/dtypes';

/** Where a block has floating-point numbers whose exponent can be all ones, which means NaN or infinity. */
interface Exponents {
  /** Byte offsets, within a block, of the 16-bit words that hold the exponents. */
  readonly words: readonly number[];
  readonly mask: number;
}

const half = (...words: number[]): Exponents => ({ words, mask: 0x7c00 });
const single = (...words: number[]): Exponents => ({ words, mask: 0x7f80 });

/** Block layouts of ggml-common.h. Scales are half-precision numbers, which overflow when weights are too large. */
const exponents: Readonly<Record<string, Exponents>> = {
  F32: single(2),
  BF16: single(0),
  F16: half(0),
  Q1_0: half(0),
  Q2_0: half(0),
  Q4_0: half(0),
  Q4_1: half(0, 2),
  Q5_0: half(0),
  Q5_1: half(0, 2),
  Q8_0: half(0),
  Q2_K: half(80, 82),
  Q3_K: half(108),
  Q4_K: half(0, 2),
  Q5_K: half(0, 2),
  Q6_K: half(208),
  IQ1_S: half(0),
  IQ2_XXS: half(0),
  IQ2_XS: half(0),
  IQ2_S: half(0),
  IQ3_XXS: half(0),
  IQ3_S: half(0),
  IQ4_NL: half(0),
  IQ4_XS: half(0),
  TQ1_0: half(52),
  TQ2_0: half(64),
  MXFP4: { words: [0], mask: 0xff }, // an exponent of eight ones is NaN
};

/**
 * First weight of the first block that holds a NaN or an infinity; undefined when all are finite, or the type is not one
 * that is written here.
 */
export function firstInvalidBlock(type: string, blocks: Uint8Array): number | undefined {
  const where = exponents[type];
  const layout = ggmlType(type);
  if (!where || !layout) return undefined;
  const blockBytes = layout.bitsPerBlock / 8;
  const { words, mask } = where;
  for (let start = 0, block = 0; start < blocks.length; start += blockBytes, block++) {
    for (const offset of words) {
      const word = (blocks[start + offset + 1]! << 8) | blocks[start + offset]!;
      if ((word & mask) === mask) return block * layout.block;
    }
  }
  return undefined;
}
