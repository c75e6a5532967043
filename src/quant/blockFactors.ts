import { loadNative } from '../native';
import { ggmlTypes, type GgmlQuantType } from '../protocol/ggmlTypes';

/**
 * Where a block has the float16 factors of its weights, in bytes from its start (native/kernels/blocks.h): the scale, and the minimum where
 * the type has one. Every weight is the sum of a part that is proportional to the scale and of one that is proportional to the minimum.
 */
const places: Partial<Readonly<Record<GgmlQuantType, readonly number[]>>> = {
  ...{ Q4_0: [0], Q4_1: [0, 2], Q5_0: [0], Q5_1: [0, 2], Q8_0: [0], Q1_0: [0], Q2_0: [0] },
  ...{ Q2_K: [80, 82], Q3_K: [108], Q4_K: [0, 2], Q5_K: [0, 2], Q6_K: [208], TQ1_0: [52], TQ2_0: [64] },
  ...{
    IQ4_NL: [0],
    IQ4_XS: [0],
    IQ3_S: [0],
    IQ3_XXS: [0],
    IQ2_S: [0],
    IQ2_XS: [0],
    IQ2_XXS: [0],
    IQ1_S: [0],
  },
};

/** A type whose blocks have factors. */
export interface FactorType {
  readonly type: GgmlQuantType;
  /** Weights and bytes of a block. */
  readonly block: number;
  readonly bytes: number;
  readonly places: readonly number[];
}

/** Undefined for types whose scales are coarser than float16 or spread over a block: MXFP4, NVFP4, IQ1_M. */
export function factorType(type: string): FactorType | undefined {
  const row = ggmlTypes.find(({ name }) => name === type);
  const found = row && places[row.name as GgmlQuantType];
  return found && { type: row.name as GgmlQuantType, block: row.block, bytes: row.bytes, places: found };
}

/** The factors of blocks, `[blocks, factors]`. */
export async function readFactors(
  { bytes, places: at }: FactorType,
  blocks: Uint8Array,
): Promise<Float32Array> {
  const count = (blocks.length / bytes) * at.length;
  const halves = new Uint8Array(2 * count);
  each(count, at, bytes, (i, offset) => halves.set(blocks.subarray(offset, offset + 2), 2 * i));
  const factors = new Float32Array(count);
  await loadNative().decode('F16', halves, factors);
  return factors;
}

/** Replaces the factors of blocks by others, rounded to float16. @throws RangeError for one that float16 does not hold. */
export async function writeFactors(
  { bytes, places: at }: FactorType,
  blocks: Uint8Array,
  factors: Float32Array,
): Promise<void> {
  const source = new Uint8Array(factors.buffer, factors.byteOffset, factors.byteLength);
  const halves = new Uint8Array(2 * factors.length);
  const bad = await loadNative().recodeRows('F32', source, 'F16', factors.length, halves);
  if (bad) throw new RangeError(`Factor ${bad.index} is ${bad.kind}`);
  each(factors.length, at, bytes, (i, offset) => blocks.set(halves.subarray(2 * i, 2 * i + 2), offset));
}

function each(
  count: number,
  at: readonly number[],
  bytes: number,
  visit: (factor: number, offset: number) => void,
): void {
  for (let i = 0; i < count; i++) visit(i, Math.floor(i / at.length) * bytes + at[i % at.length]!);
}
