/** How a float dtype rounds: bits of the mantissa that are stored, and the exponent of the smallest normal number. */
interface HalfLayout {
  readonly mantissa: number;
  readonly minExponent: number;
  readonly infinity: number;
}

const halves = {
  F16: { mantissa: 10, minExponent: -14, infinity: 0x7c00 },
  BF16: { mantissa: 7, minExponent: -126, infinity: 0x7f80 },
} as const satisfies Record<string, HalfLayout>;

export type FloatDtype = 'F32' | keyof typeof halves;

/** Finite numbers that became infinite. */
export interface Overflows {
  readonly count: number;
  /** Index of the first. */
  readonly first: number;
}

/** Added to a double below 2^51 and subtracted again, it rounds it to a whole number, ties to even. */
const wholeNumbers = 1.5 * 2 ** 52;

/**
 * Numbers in another dtype, each rounded once, to nearest with ties to even (IEEE 754), also from float64. Numbers beyond its range become
 * infinite; NaN stays NaN.
 */
export function castNumbers(
  values: Float32Array | Float64Array,
  dtype: FloatDtype,
): { readonly bytes: Uint8Array; readonly overflows: Overflows } {
  const { target, isInfinite } = dtype === 'F32' ? toSingle(values) : toHalf(values, halves[dtype]);
  let count = 0;
  let first = -1;
  values.forEach((value, i) => {
    if (!isInfinite(i) || !Number.isFinite(value)) return;
    if (count === 0) first = i;
    count += 1;
  });
  return { bytes: new Uint8Array(target.buffer), overflows: { count, first } };
}

function toSingle(values: Float32Array | Float64Array) {
  const target = Float32Array.from(values);
  return { target, isInfinite: (i: number): boolean => Math.abs(target[i]!) === Infinity };
}

function toHalf(values: Float32Array | Float64Array, layout: HalfLayout) {
  const target = new Uint16Array(values.length);
  values.forEach((value, i) => (target[i] = halfBits(value, layout)));
  return { target, isInfinite: (i: number): boolean => (target[i]! & 0x7fff) === layout.infinity };
}

const words = new DataView(new ArrayBuffer(8));

/** The sign, then exponent and mantissa as one number: a carry of the rounding goes into the exponent, as it should. */
function halfBits(value: number, { mantissa, minExponent, infinity }: HalfLayout): number {
  words.setFloat64(0, value);
  const high = words.getUint16(0);
  const sign = high & 0x8000;
  if (Number.isNaN(value)) return sign | infinity | (1 << (mantissa - 1));
  const exponent = Math.max(((high >>> 4) & 0x7ff) - 1023, minExponent);
  if (exponent > 1 - minExponent) return sign | infinity;
  const rounded = Math.abs(value) / 2 ** (exponent - mantissa) + wholeNumbers - wholeNumbers;
  const bits = ((exponent - minExponent) << mantissa) + rounded;
  return sign | Math.min(bits, infinity);
}
