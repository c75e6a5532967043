import { ggmlType } from '../../model/dtypes';
import type { InputRounding } from '../../protocol/ggmlTypes';
import { superBlock } from '../ggmlSchemes';
import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';

/** How a type's products round their inputs; undefined for a type that is not in blocks. */
export const roundingFor = (type: string): InputRounding | undefined => ggmlType(type)?.rounding;

/** `[n, columns]` → the same values as the kernels see them. */
export function roundInputs(ops: Ops, x: Value, rounding: InputRounding, columns: number): Value {
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
