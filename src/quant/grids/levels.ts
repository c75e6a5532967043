import type { Levels } from '../../protocol/grids';

/** Values of bitsandbytes' tables by code: NF4 (QLoRA, appendix E), and FP4, whose bit 3 is the sign. */
export const tableValues: Readonly<Record<'nf4' | 'fp4', Float32Array>> = {
  nf4: Float32Array.of(
    ...[-1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453],
    ...[-0.28444138169288635, -0.18477343022823334, -0.09105003625154495, 0],
    ...[0.07958029955625534, 0.16093020141124725, 0.24611230194568634, 0.33791524171829224],
    ...[0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1],
  ),
  fp4: Float32Array.of(
    ...[0, 0.005208333333333333, 0.6666666666666666, 1, 0.3333333333333333, 0.5, 0.16666666666666666, 0.25],
    ...[0, -0.005208333333333333, -0.6666666666666666, -1, -0.3333333333333333, -0.5],
    ...[-0.16666666666666666, -0.25],
  ),
};

/** The codes that a grid can give, as bytes: two's complement for signed integers, the bit patterns of floats, the indices into tables. */
export function levelCodes(levels: Levels): Uint8Array {
  const count = (bits: number): Uint8Array => Uint8Array.from({ length: 2 ** bits }, (_, code) => code);
  if (levels.kind === 'table') return count(4);
  if (levels.kind === 'float') return count(1 + levels.exponent + levels.mantissa);
  const { bits, signed, narrow } = levels;
  if (!signed) return count(bits);
  const lowest = -(2 ** (bits - 1));
  return Uint8Array.from(count(bits), (code) => lowest + code).subarray(narrow ? 1 : 0);
}

/** The value that each byte stands for before it is scaled, by code; `levelCodes` says which bytes a grid gives. */
export function codeValues(levels: Levels): Float32Array {
  switch (levels.kind) {
    case 'integer':
      return Float32Array.from({ length: 256 }, (_, code) => (levels.signed ? (code << 24) >> 24 : code));
    case 'table':
      return tableValues[levels.table];
    case 'float':
      return floatValues(levels);
  }
}

/** Values of the bit patterns of a float of at most 8 bits: a sign, exponent and mantissa bits. */
export function floatValues({
  exponent,
  mantissa,
  bias = 2 ** (exponent - 1) - 1,
  special,
}: Extract<Levels, { kind: 'float' }>): Float32Array {
  const magnitudes = 2 ** (exponent + mantissa);
  const largest = 2 ** exponent - 1;
  return Float32Array.from({ length: 2 * magnitudes }, (_, code) => {
    const [e, m] = [(code % magnitudes) >> mantissa, code % 2 ** mantissa];
    const sign = code < magnitudes ? 1 : -1;
    if (special === 'ieee' && e === largest) return m === 0 ? sign * Infinity : NaN;
    if (special === 'nan' && code % magnitudes === magnitudes - 1) return NaN;
    const fraction = e === 0 ? m : m + 2 ** mantissa;
    return sign * fraction * 2 ** (Math.max(1, e) - bias - mantissa);
  });
}

/** The largest value of a code, before it is scaled. */
export function largestLevel(levels: Levels): number {
  switch (levels.kind) {
    case 'integer':
      return 2 ** (levels.signed ? levels.bits - 1 : levels.bits) - 1;
    case 'table':
      return 1;
    case 'float': {
      const { exponent, mantissa, special, bias = 2 ** (exponent - 1) - 1 } = levels;
      const codes = 2 ** (exponent + mantissa);
      const largest = codes - 1 - (special === 'nan' ? 1 : special === 'ieee' ? 2 ** mantissa : 0);
      const [field, fraction] = [Math.floor(largest / 2 ** mantissa), largest % 2 ** mantissa];
      const whole = field === 0 ? fraction : fraction + 2 ** mantissa;
      return whole * 2 ** (Math.max(field, 1) - bias - mantissa);
    }
  }
}
