/**
 * Number of bits in the name of a dtype or format: 4 for "IQ4_XS", 8 for "fp8-e4m3", 16 for "BF16". Undefined for a name without
 * digits.
 */
export function namedBits(name: string): number | undefined {
  const digits = /\d+/.exec(name)?.[0];
  return digits === undefined ? undefined : Number(digits);
}
