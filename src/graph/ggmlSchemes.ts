import type { GgmlQuantType } from '../protocol/ggmlTypes';
import type { Value } from './onnxWriter';
import type { Ops } from './ops';

/**
 * ggml's quantizers as graphs: the searches of native/kernels/fits.h with the loop over candidates unrolled and all
 * blocks in parallel. Candidates often lie within a rounding error of each other, so the sums that choose between them run
 * in the addon's order.
 */

/** Below this magnitude a block is stored as zeros. */
const negligible = 1e-15;

/** Weights of a super-block; the row of the matrices that the K types work on. */
export const superBlock = 256;

/** The types that have a graph; the addon measures the others. */
const graphTypes = ['F16', 'BF16', 'Q4_0', 'Q8_0', 'Q4_K', 'Q5_K', 'Q6_K'] as const;
export type GraphGgmlType = (typeof graphTypes)[number];

export function isGraphType(type: GgmlQuantType): type is GraphGgmlType {
  return (graphTypes as readonly string[]).includes(type);
}

export function blockLength(type: GraphGgmlType): number {
  if (type === 'F16' || type === 'BF16') return 1;
  return type.endsWith('_K') ? superBlock : 32;
}

/** `[n, block]` → the same weights, quantized and decoded. */
export function ggml(ops: Ops, type: GraphGgmlType, x: Value): Value {
  switch (type) {
    case 'F16':
      return ops.roundHalf(x);
    case 'BF16':
      return ops.roundFloat(x, 7, -126);
    case 'Q4_0':
      return q4_0(ops, x);
    case 'Q8_0':
      return q8_0(ops, x);
    case 'Q4_K':
      return affineSuperBlock(ops, x, { largest: 15, first: -1, step: 0.1, count: 20 });
    case 'Q5_K':
      return affineSuperBlock(ops, x, { largest: 31, first: -0.5, step: 0.1, count: 15 });
    case 'Q6_K':
      return q6_K(ops, x);
  }
}

/** 1/d, or 0 where d is 0. */
function reciprocal(ops: Ops, d: Value): Value {
  const isZero = ops.equal(d, 0);
  return ops.where(isZero, 0, ops.div(1, ops.where(isZero, 1, d)));
}

function q4_0(ops: Ops, x: Value): Value {
  const d = ops.div(ops.extreme(x, 32), -8);
  const code = ops.min(ops.floor(ops.add(ops.mul(x, reciprocal(ops, d)), 8.5)), 15);
  return ops.mul(ops.sub(code, 8), ops.roundHalf(d));
}

/** Rounds half away from zero. */
function q8_0(ops: Ops, x: Value): Value {
  const d = ops.div(ops.maxLast(ops.abs(x)), 127);
  const scaled = ops.mul(x, reciprocal(ops, d));
  const code = ops.mul(ops.sign(scaled), ops.floor(ops.add(ops.abs(scaled), 0.5)));
  return ops.mul(code, ops.roundHalf(d));
}

interface Search {
  /** Largest code. */
  readonly largest: number;
  /** Offset of the first candidate in code units, distance to the next, and index of the last. */
  readonly first: number;
  readonly step: number;
  readonly count: number;
}

/** Least-squares fit of scale and minimum per sub-block of 32, minimising Σ w·(scale·q + min − x)², w = √(Σx²/32) + |x|. */
function fitAffine(
  ops: Ops,
  x: Value,
  { largest, first, step, count }: Search,
): { scale: Value; minimum: Value } {
  const sum = (terms: Value): Value => ops.sumInOrder(terms, 32);
  const w = ops.add(ops.sqrt(ops.div(sum(ops.square(x)), 32)), ops.abs(x));
  const sumW = sum(w);
  const sumWx = sum(ops.mul(w, x));
  const max = ops.maxLast(x);
  const start = ops.min(ops.minLast(x), 0);
  const isFlat = ops.equal(max, start);
  // A flat block keeps its start; 1 takes its place so that the search below stays finite.
  const top = ops.where(isFlat, ops.add(start, 1), max);
  const codesFor = (inverse: Value, min: Value): Value =>
    ops.clip(ops.round(ops.mul(inverse, ops.sub(x, min))), 0, largest);
  const errorOf = (codes: Value, scale: Value, min: Value): Value =>
    sum(ops.mul(w, ops.square(ops.sub(ops.add(ops.mul(scale, codes), min), x))));

  let min = start;
  const inverse = ops.div(largest, ops.sub(top, min));
  let scale = ops.div(1, inverse);
  let best = errorOf(codesFor(inverse, min), scale, min);
  for (let candidate = 0; candidate <= count; candidate++) {
    const numerator = Math.fround(Math.fround(first + Math.fround(Math.fround(step) * candidate)) + largest);
    const codes = codesFor(ops.div(numerator, ops.sub(top, min)), min);
    const wq = ops.mul(w, codes);
    const sumWq = sum(wq);
    const sumWq2 = sum(ops.mul(wq, codes));
    const sumWqx = sum(ops.mul(wq, x));
    const determinant = ops.sub(ops.mul(sumW, sumWq2), ops.square(sumWq));
    const solvable = ops.greater(determinant, 0);
    const divisor = ops.where(solvable, determinant, 1);
    const freeScale = ops.div(ops.sub(ops.mul(sumW, sumWqx), ops.mul(sumWx, sumWq)), divisor);
    const freeMin = ops.div(ops.sub(ops.mul(sumWq2, sumWx), ops.mul(sumWq, sumWqx)), divisor);
    const isPositive = ops.greater(freeMin, 0);
    const pinnedScale = ops.div(sumWqx, ops.where(solvable, sumWq2, 1));
    const trialScale = ops.where(isPositive, pinnedScale, freeScale);
    const trialMin = ops.where(isPositive, 0, freeMin);
    const error = errorOf(codes, trialScale, trialMin);
    const better = ops.and(solvable, ops.greater(best, error));
    best = ops.where(better, error, best);
    scale = ops.where(better, trialScale, scale);
    min = ops.where(better, trialMin, min);
  }
  return { scale: ops.where(isFlat, 0, scale), minimum: ops.neg(ops.where(isFlat, start, min)) };
}

/** Q4_K and Q5_K: eight fits, scales and minima in six bits against a half-precision d and dmin, codes rounded again. */
function affineSuperBlock(ops: Ops, x: Value, search: Search): Value {
  const fit = fitAffine(ops, ops.reshape(x, [-1, 32]), search);
  const scale = sixBits(ops, ops.reshape(fit.scale, [-1, 8]));
  const minimum = sixBits(ops, ops.reshape(fit.minimum, [-1, 8]));
  const stored = ops.reshape(scale, [-1, 8, 1]);
  const storedMin = ops.reshape(minimum, [-1, 8, 1]);
  const weights = ops.reshape(x, [-1, 8, 32]);
  const isZero = ops.equal(stored, 0);
  const quotient = ops.div(ops.add(weights, storedMin), ops.where(isZero, 1, stored));
  const code = ops.clip(ops.round(quotient), 0, search.largest);
  return ops.reshape(ops.sub(ops.mul(stored, code), storedMin), [-1, superBlock]);
}

/** Values of `[n, 8]` as six-bit multiples of a half-precision step. */
function sixBits(ops: Ops, values: Value): Value {
  const largest = ops.max(ops.maxLast(values), 0);
  const isZero = ops.equal(largest, 0);
  const inverse = ops.where(isZero, 0, ops.div(63, ops.where(isZero, 1, largest)));
  const codes = ops.clip(ops.round(ops.mul(inverse, values)), 0, 63);
  return ops.mul(ops.roundHalf(ops.div(largest, 63)), codes);
}

/** Scale per sub-block of 16, minimising Σ x²·(scale·q − x)² over signed codes near ±32. */
function fitSymmetric(ops: Ops, x: Value): Value {
  const sum = (terms: Value): Value => ops.sumInOrder(terms, 16);
  const extreme = ops.extreme(x, 16);
  const isZero = ops.greater(negligible, ops.abs(extreme));
  const divisor = ops.where(isZero, 1, extreme);
  const w = ops.square(x);
  const wx = ops.mul(w, x);
  let scale: Value = ops.graph.constant(0);
  let best: Value = ops.graph.constant(0);
  for (const offset of [0, -9, -8, -7, -6, -5, -4, -3, -2, -1, 1, 2, 3, 4, 5, 6, 7, 8, 9]) {
    const numerator = -Math.fround(32 + Math.fround(Math.fround(0.1) * offset));
    const codes = ops.clip(ops.round(ops.mul(ops.div(numerator, divisor), x)), -32, 31);
    const sumWxq = sum(ops.mul(wx, codes));
    const sumWq2 = sum(ops.mul(ops.mul(w, codes), codes));
    const solvable = ops.greater(sumWq2, 0);
    const better = ops.and(solvable, ops.greater(ops.square(sumWxq), ops.mul(best, sumWq2)));
    const trial = ops.div(sumWxq, ops.where(solvable, sumWq2, 1));
    best = ops.where(better, ops.mul(trial, sumWxq), best);
    scale = ops.where(better, trial, scale);
  }
  return ops.where(isZero, 0, scale);
}

function q6_K(ops: Ops, x: Value): Value {
  const scales = ops.reshape(fitSymmetric(ops, ops.reshape(x, [-1, 16])), [-1, 16]);
  const extreme = ops.extreme(scales, 16);
  const isZero = ops.greater(negligible, ops.abs(extreme));
  const inverse = ops.div(-128, ops.where(isZero, 1, extreme));
  const codes = ops.min(ops.round(ops.mul(inverse, scales)), 127);
  const stored = ops.reshape(ops.mul(ops.roundHalf(ops.div(1, inverse)), codes), [-1, 16, 1]);
  const weights = ops.reshape(x, [-1, 16, 16]);
  const isFlat = ops.equal(stored, 0);
  const code = ops.clip(ops.round(ops.div(weights, ops.where(isFlat, 1, stored))), -32, 31);
  return ops.mul(ops.reshape(ops.mul(stored, code), [-1, superBlock]), ops.where(isZero, 0, 1));
}
