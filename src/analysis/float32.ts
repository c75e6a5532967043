/**
 * Everything is computed in float32. Dtypes of larger range or precision lose something there, which is counted, or avoided
 * where single values are shown.
 */

/** What float32 makes of some values. */
export interface Float32Losses {
  /** Finite, but infinite in float32. */
  readonly beyond: number;
  /** Not 0, but 0 in float32. */
  readonly below: number;
  /** Integers that become other integers. */
  readonly rounded: number;
}

export const noLosses: Float32Losses = { beyond: 0, below: 0, rounded: 0 };

export const addLosses = (a: Float32Losses, b: Float32Losses): Float32Losses => ({
  beyond: a.beyond + b.beyond,
  below: a.below + b.below,
  rounded: a.rounded + b.rounded,
});

/** @param data values of a dtype as the file holds them. */
export function float32Losses(dtype: string, data: Uint8Array): Float32Losses {
  if (dtype === 'F64') return lossesOfDoubles(exactNumbers(dtype, data)!);
  if (dtype === 'I64' || dtype === 'U64') return { ...noLosses, rounded: roundedLongs(dtype, data) };
  const integers = dtype === 'I32' || dtype === 'U32' ? exactNumbers(dtype, data) : undefined;
  if (!integers) return noLosses;
  return {
    ...noLosses,
    rounded: integers.reduce((n, value) => n + (Math.fround(value) === value ? 0 : 1), 0),
  };
}

function lossesOfDoubles(values: Float64Array): Float32Losses {
  let [beyond, below] = [0, 0];
  for (const value of values) {
    const rounded = Math.fround(value);
    if (rounded - rounded !== 0 && value - value === 0) beyond++;
    else if (rounded === 0 && value !== 0) below++;
  }
  return { ...noLosses, beyond, below };
}

/** Integers of this magnitude and less are exact in float32. */
const exactInteger = 2 ** 24;

function roundedLongs(dtype: 'I64' | 'U64', data: Uint8Array): number {
  const bytes = aligned(data);
  const words = new Uint32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4);
  const View = dtype === 'I64' ? BigInt64Array : BigUint64Array;
  const values = new View(bytes.buffer, bytes.byteOffset, bytes.length / 8);
  let rounded = 0;
  for (let i = 0; i < values.length; i++) {
    if (words[2 * i + 1] === 0 && words[2 * i]! <= exactInteger) continue; // most, without a big integer
    if (BigInt(Math.fround(Number(values[i]))) !== values[i]) rounded++;
  }
  return rounded;
}

/**
 * The values of a dtype that float32 is too small for, as doubles: exact, except integers beyond 2^53, which are rounded.
 * Undefined for other dtypes.
 */
export function exactNumbers(dtype: string, data: Uint8Array): Float64Array | undefined {
  const { buffer, byteOffset, length } = aligned(data);
  switch (dtype) {
    case 'F64':
      return new Float64Array(buffer, byteOffset, length / 8);
    case 'I32':
      return Float64Array.from(new Int32Array(buffer, byteOffset, length / 4));
    case 'U32':
      return Float64Array.from(new Uint32Array(buffer, byteOffset, length / 4));
    case 'I64':
      return Float64Array.from(new BigInt64Array(buffer, byteOffset, length / 8), Number);
    case 'U64':
      return Float64Array.from(new BigUint64Array(buffer, byteOffset, length / 8), Number);
    default:
      return undefined;
  }
}

const aligned = (data: Uint8Array): Uint8Array<ArrayBuffer> =>
  data.byteOffset % 8 === 0 ? (data as Uint8Array<ArrayBuffer>) : data.slice();
