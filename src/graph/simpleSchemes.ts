import type { Scheme } from '../protocol/formats';
import type { Value } from './onnxWriter';
import type { Ops } from './ops';

/** Extremes of the groups: `[n, 1]` for rows and blocks, `[1]` for the whole tensor. */
export interface Extremes {
  readonly min: Value;
  readonly max: Value;
}

/** Below this a maximum is taken as this, so that its reciprocal stays finite. */
const tiny = 1e-36;

const largestMagnitude = (ops: Ops, { min, max }: Extremes): Value =>
  ops.max(ops.max(ops.abs(min), ops.abs(max)), tiny);

/** x → x' of the integer formats; the formulas are those of the addon (native/kernels/affine.cc). */
export function affine(
  ops: Ops,
  scheme: Extract<Scheme, { kind: 'affine' }>,
  x: Value,
  extremes: Extremes,
): Value {
  const levels = 2 ** scheme.bits - 1;
  const half = 2 ** (scheme.bits - 1);
  if (scheme.rule === 'absmax') {
    const scale = ops.div(half - 1, largestMagnitude(ops, extremes));
    return ops.div(ops.clip(ops.round(ops.mul(x, scale)), 1 - half, half - 1), scale);
  }
  const range = ops.sub(extremes.max, extremes.min);
  const varies = ops.greater(range, 0);
  const safeRange = ops.where(varies, range, 1);
  if (scheme.rule === 'zero-point') {
    const scale = ops.div(levels, safeRange);
    const zero = ops.sub(ops.neg(ops.round(ops.mul(scale, extremes.min))), half);
    const code = ops.clip(ops.add(ops.round(ops.mul(x, scale)), zero), -half, half - 1);
    return ops.where(varies, ops.div(ops.sub(code, zero), scale), x);
  }
  const step = ops.div(safeRange, levels);
  const code = ops.clip(ops.round(ops.div(ops.sub(x, extremes.min), step)), 0, levels);
  return ops.where(varies, ops.add(extremes.min, ops.mul(code, step)), x);
}

/** NF4 codes (QLoRA, appendix E). */
const nf4Table = [
  -1, -0.6961928009986877, -0.5250730514526367, -0.39491748809814453, -0.28444138169288635,
  -0.18477343022823334, -0.09105003625154495, 0, 0.07958029955625534, 0.16093020141124725,
  0.24611230194568634, 0.33791524171829224, 0.44070982933044434, 0.5626170039176941, 0.7229568362236023, 1,
];

/** The table entry whose midpoints enclose x / absmax: a chain of Where, as no table look-up is portable. */
export function nf4(ops: Ops, x: Value, extremes: Extremes): Value {
  const absmax = largestMagnitude(ops, extremes);
  const value = ops.div(x, absmax);
  let decoded: Value | number = nf4Table[0]!;
  for (let k = 1; k < nf4Table.length; k++) {
    const midpoint = Math.fround(
      Math.fround(Math.fround(nf4Table[k - 1]!) + Math.fround(nf4Table[k]!)) * 0.5,
    );
    decoded = ops.where(ops.greater(value, midpoint), nf4Table[k]!, decoded);
  }
  return ops.mul(decoded, absmax);
}

const fp8Kinds = {
  e4m3: { mantissa: 3, smallestExponent: -6, largest: 448 },
  e5m2: { mantissa: 2, smallestExponent: -14, largest: 57344 },
} as const;

/** Largest finite float32. */
const largestFloat = 3.4028234663852886e38;

/** Where the scale would overflow, in rows of zeros above all, it is stored as 0 and the weights become zeros. */
export function fp8(ops: Ops, variant: 'e4m3' | 'e5m2', x: Value, { min, max }: Extremes): Value {
  const { mantissa, smallestExponent, largest } = fp8Kinds[variant];
  const magnitude = ops.max(ops.abs(min), ops.abs(max));
  const isZero = ops.greater(largest / largestFloat, magnitude);
  const scale = ops.div(largest, ops.where(isZero, 1, magnitude));
  const clipped = ops.clip(ops.mul(x, scale), -largest, largest);
  return ops.where(isZero, 0, ops.div(ops.roundFloat(clipped, mantissa, smallestExponent), scale));
}
