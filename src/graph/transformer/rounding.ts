import { ggmlType } from '../../model/dtypes';
import type { Levels } from '../../protocol/grids';
import type { InputRounding } from '../../protocol/ggmlTypes';
import type { ActivationRecipe } from '../../protocol/recipe';
import { largestLevel } from '../../quant/grids/levels';
import { superBlock } from '../ggmlSchemes';
import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';

/** How a runtime rounds the inputs of a quantized matrix. */
export interface ActivationRounding extends ActivationRecipe {
  /** The magnitude that the largest code stands for, where scales are fixed. */
  readonly largest?: number;
}

/** As the kernels of ggml do, or as a recipe says. */
export type Rounding = InputRounding | ActivationRounding;

/** How a type's products round their inputs; undefined for a type that is not in blocks. */
export const roundingFor = (type: string): InputRounding | undefined => ggmlType(type)?.rounding;

/** `[n, columns]` → the same values as the kernels see them. */
export function roundInputs(ops: Ops, x: Value, rounding: Rounding, columns: number): Value {
  if (typeof rounding === 'object') return roundActivations(ops, x, rounding);
  const block = rounding === 'Q8_0' ? 32 : superBlock;
  const blocks = ops.reshape(x, [-1, block]);
  const rounded = rounding === 'Q8_0' ? smallBlock(ops, blocks) : largeBlock(ops, blocks);
  return ops.reshape(rounded, [-1, columns]);
}

/** Codes to the nearest of 127 steps up to the largest magnitude; the step is kept in half precision. */
function smallBlock(ops: Ops, x: Value): Value {
  const largest = ops.maxLast(ops.abs(x));
  const isZero = ops.equal(largest, 0);
  const step = ops.div(ops.where(isZero, 1, largest), 127);
  return ops.mul(ops.round(ops.div(x, step)), ops.where(isZero, 0, ops.roundHalf(step)));
}

/** The element of largest magnitude gets the code −127; the step is kept in float32. */
function largeBlock(ops: Ops, x: Value): Value {
  const extreme = ops.extreme(x, superBlock);
  const isZero = ops.equal(extreme, 0);
  const inverse = ops.div(-127, ops.where(isZero, 1, extreme));
  const codes = ops.min(ops.round(ops.mul(x, inverse)), 127);
  return ops.where(isZero, 0, ops.div(codes, inverse));
}

/** Symmetric codes whose largest stands for the largest magnitude: of the token, of all tokens of a run, or of the calibration text. */
function roundActivations(ops: Ops, x: Value, { levels, scale, largest }: ActivationRounding): Value {
  const top = largestCode(levels);
  const magnitude =
    scale === 'static'
      ? (largest ?? 0)
      : scale === 'token'
        ? ops.maxLast(ops.abs(x))
        : ops.maxAll(ops.abs(x));
  const step = ops.div(ops.max(magnitude, leastMagnitude), top);
  const clipped = ops.clip(ops.div(x, step), -top, top);
  const codes = levels.kind === 'float' ? roundToFloat(ops, clipped, levels) : ops.round(clipped);
  return ops.mul(codes, step);
}

/** Keeps steps of zeros from being 0. */
const leastMagnitude = 1e-30;

function largestCode(levels: Levels): number {
  if (levels.kind === 'float') return largestLevel(levels);
  if (levels.kind === 'integer' && levels.signed) return 2 ** (levels.bits - 1) - 1;
  throw new RangeError('inputs are rounded to signed integers or floats only');
}

function roundToFloat(
  ops: Ops,
  x: Value,
  { exponent, mantissa, bias = 2 ** (exponent - 1) - 1 }: Extract<Levels, { kind: 'float' }>,
): Value {
  return ops.roundFloat(x, mantissa, 1 - bias);
}
