import { said } from '../protocol/said';

/** How zero points are stored: as they are; minus 1 field by field; or minus 1 in all fields of a word at once, where 0 borrows from the next. */
export type ZeroVariant = 'v2' | 'v1' | 'v1-words';

/** Words of zero points of one weight, from their start. */
export interface ZeroSample {
  readonly bits: number;
  readonly words: Uint32Array;
}

/** Fields of a word or, for 3 bits, of three words. */
function fieldsOf({ bits, words }: ZeroSample): number[] {
  if (bits === 3) return threeBitFields(words);
  const mask = 2 ** bits - 1;
  return [...words].flatMap((word) =>
    Array.from({ length: 32 / bits }, (_, i) => (word >>> (i * bits)) & mask),
  );
}

function threeBitFields(words: Uint32Array): number[] {
  const whole = words.length - (words.length % 3);
  return Array.from({ length: (whole * 32) / 3 }, (_, i) => {
    const [word, shift] = [(3 * i) >>> 5, (3 * i) & 31];
    const high = shift > 29 ? words[word + 1]! << (32 - shift) : 0;
    return ((words[word]! >>> shift) | high) & 7;
  });
}

/** Fewer equal fields say nothing. */
const enough = 32;

/**
 * Whether zero points are stored as config.json says. Where all are equal the weights are symmetric, and their zero points are the middle of the
 * codes: what is stored then tells the version of the format.
 * @returns the version that they are read as, and a warning where config.json is wrong or the zero points are damaged.
 */
export function judgedZeros(
  samples: readonly ZeroSample[],
  stated: ZeroVariant,
): { readonly variant: ZeroVariant; readonly warnings: readonly string[] } {
  if (samples.length === 0) return { variant: stated, warnings: [] };
  const fitting = fittingVersion(samples);
  const isV2 = stated === 'v2';
  if (fitting !== undefined && (fitting === 'v2') !== isV2) {
    const [says, holds] = isV2 ? ['gptq_v2', 'gptq'] : ['gptq', 'gptq_v2'];
    const middle = 2 ** (samples[0]!.bits - 1);
    const warning = said`The zero points of the GPTQ weights are those of checkpoint_format "${holds}" (all fields are ${isV2 ? middle - 1 : middle}, for a zero point of ${middle}), but config.json says "${says}": they are read as "${holds}". Runtimes that follow config.json decode each weight off by one step of its scale.`;
    return { variant: fitting, warnings: [warning] };
  }
  if (isV2 || !areDamaged(samples)) return { variant: stated, warnings: [] };
  const warning = said`Zero points of the GPTQ weights are damaged: where one is 0, all after it in the same word are 0 too, as early versions of AutoGPTQ stored them (−1 as 32 bits). The columns of these outputs decode wrongly everywhere; quantize the model again, as gptq_v2.`;
  return { variant: stated, warnings: [warning] };
}

/** The version whose symmetric zero points all samples hold; undefined where they are not symmetric. */
function fittingVersion(samples: readonly ZeroSample[]): 'v1' | 'v2' | undefined {
  const distances = new Set<number>();
  let count = 0;
  for (const sample of samples) {
    for (const field of fieldsOf(sample)) {
      distances.add(2 ** (sample.bits - 1) - field);
      count += 1;
    }
  }
  if (count < enough || distances.size !== 1) return undefined;
  const [distance] = distances;
  return distance === 0 ? 'v2' : distance === 1 ? 'v1' : undefined;
}

/** Words that must look damaged before they are taken for it. */
const suspicious = 4;

/** Whether every field of ones is followed by nothing but ones up to the end of its word, while fields before it differ. */
function areDamaged(samples: readonly ZeroSample[]): boolean {
  let damaged = 0;
  for (const { bits, words } of samples) {
    if (32 % bits !== 0) continue;
    const perWord = 32 / bits;
    const mask = 2 ** bits - 1;
    for (const word of words) {
      const fields = Array.from({ length: perWord }, (_, i) => (word >>> (i * bits)) & mask);
      const first = fields.indexOf(mask);
      if (first < 0 || first === perWord - 1) continue;
      if (fields.slice(first).some((field) => field !== mask)) return false;
      if (first > 0) damaged += 1;
    }
  }
  return damaged >= suspicious;
}
