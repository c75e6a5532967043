import { ggmlType } from '../../model/dtypes';
import { superBlock } from '../ggmlSchemes';
import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';

/** How llama.cpp's CPU kernels round the inputs of a quantized matrix before they multiply: by the type of its weights. */
export type Rounding = 'Q8_0' | 'Q8_K';

/** Types whose products are made with inputs in blocks of 32 (`vec_dot_type` in ggml's table of CPU kernels). */
const smallBlocks: ReadonlySet<string> = new Set([
  ...['Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q8_0', 'IQ4_NL', 'MXFP4', 'NVFP4', 'Q1_0', 'Q2_0'],
]);

/** Undefined for a type that is not in blocks. */
export function roundingFor(type: string): Rounding | undefined {
  if (smallBlocks.has(type)) return 'Q8_0';
  return (ggmlType(type)?.block ?? 1) > 1 ? 'Q8_K' : undefined;
}

/** `[n, columns]` → the same values as the kernels see them. */
export function roundInputs(ops: Ops, x: Value, rounding: Rounding, columns: number): Value {
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
