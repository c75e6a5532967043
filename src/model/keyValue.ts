import type { GgufScalar, GgufValueType } from './ggufValue';

export type ScalarType = Exclude<GgufValueType, 'array'>;

/** One entry of GGUF metadata to be written. `raw` is a value copied from another GGUF file, without its type. */
export type KeyValue =
  | { readonly key: string; readonly type: ScalarType; readonly value: GgufScalar }
  | {
      readonly key: string;
      readonly type: 'array';
      readonly elementType: ScalarType;
      readonly values: readonly GgufScalar[];
    }
  | { readonly key: string; readonly type: GgufValueType; readonly raw: Uint8Array };

/** Bits of the types of whole numbers, and whether they have a sign. */
const wholeTypes: Partial<Record<ScalarType, { readonly bits: number; readonly signed: boolean }>> = {
  u8: { bits: 8, signed: false },
  i8: { bits: 8, signed: true },
  u16: { bits: 16, signed: false },
  i16: { bits: 16, signed: true },
  u32: { bits: 32, signed: false },
  i32: { bits: 32, signed: true },
  u64: { bits: 64, signed: false },
  i64: { bits: 64, signed: true },
};

/** Whether a value of GGUF metadata can be stored in a type without changing: 2^32 + 5 would be 5 as u32. */
export function fitsScalar(type: ScalarType, value: GgufScalar): boolean {
  if (type === 'f32') return fitsFloat(Number(value));
  const whole = wholeTypes[type];
  if (!whole) return true;
  if (typeof value !== 'bigint' && !Number.isInteger(value)) return false;
  const { bits, signed } = whole;
  const number = BigInt(value);
  return number === (signed ? BigInt.asIntN(bits, number) : BigInt.asUintN(bits, number));
}

/** Rounding is acceptable in a float; infinity for a finite value, or zero for a nonzero one, is not. */
function fitsFloat(value: number): boolean {
  const stored = Math.fround(value);
  return Number.isFinite(stored) === Number.isFinite(value) && (stored !== 0 || value === 0);
}
