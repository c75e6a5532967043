import type { Grid, Levels, ScaleDtype } from '../protocol/grids';
import { largestLevel, codeValues } from '../quant/grids/levels';
import type { Value } from './onnxWriter';
import type { Ops } from './ops';

/** Extremes of the groups: `[n, 1]` for rows and blocks, `[1]` for the whole tensor. */
export interface Extremes {
  readonly min: Value;
  readonly max: Value;
}

/**
 * Whether a graph gives a grid's results: groups in rows or the whole tensor, everything in float32, codes by quotients that are rounded
 * half to even. The addon measures all other grids. (ONNX Runtime makes quotients of products by reciprocals, which choose other codes at
 * ties.)
 */
export function isGraphGrid({ levels, rule, scale, zero, ...grid }: Grid): boolean {
  const { group, weights, arithmetic, least, rounding, perScale, double, global, outliers } = grid;
  if (weights ?? arithmetic ?? least ?? rounding ?? perScale ?? double ?? global ?? outliers) return false;
  if ((typeof group === 'object' && 'rows' in group) || zero === 'float' || scale === 'F8_E8M0') return false;
  if (rule.kind !== 'range' && (rule.kind !== 'absmax' || rule.oneSided)) return false;
  return levels.kind !== 'float' || levels.mantissa > 0;
}

/** `[n, group]` → the same weights, quantized and decoded; the steps are those of the addon (native/kernels/weight_grid.cc, levels.h). */
export function gridGraph(ops: Ops, grid: Grid, x: Value, extremes: Extremes): Value {
  const { levels } = grid;
  const range = rangeOf(ops, grid, extremes);
  const scale = storedScale(ops, grid.scale, scaleOf(ops, grid, range));
  const steps = (value: Value): Value => quotient(ops, value, scale);
  if (levels.kind === 'float') return ops.mul(nearestFloat(ops, levels, steps(x)), scale);
  if (levels.kind === 'table') return ops.mul(nearestEntry(ops, levels, steps(x)), scale);
  const [low, high] = limitsOf(levels);
  if (grid.zero === undefined) return ops.mul(ops.round(ops.clip(steps(x), low, high)), scale);
  if (grid.zero === 'minimum') {
    const code = ops.round(ops.clip(steps(ops.sub(x, range.min)), low, high));
    return ops.add(ops.mul(code, scale), range.min);
  }
  const zero = ops.round(ops.clip(ops.sub(low, steps(range.min)), low, high));
  const aboveZero = ops.min(ops.max(steps(x), ops.sub(low, zero)), ops.sub(high, zero));
  return ops.mul(ops.round(aboveZero), scale);
}

function limitsOf({ bits, signed, narrow }: Extract<Levels, { kind: 'integer' }>): [number, number] {
  const lowest = signed ? -(2 ** (bits - 1)) : 0;
  return [lowest + (narrow ? 1 : 0), lowest + 2 ** bits - 1];
}

/** The range that a scale divides: with 0 where the rule says so. */
function rangeOf(ops: Ops, { rule }: Grid, { min, max }: Extremes): Extremes {
  const isWidened = rule.kind === 'range' && rule.widened;
  return isWidened ? { min: ops.min(min, 0), max: ops.max(max, 0) } : { min, max };
}

function scaleOf(ops: Ops, { levels, rule }: Grid, { min, max }: Extremes): Value {
  if (rule.kind === 'absmax') return ops.div(ops.max(ops.abs(min), ops.abs(max)), rule.divisor);
  const [low, high] = limitsOf(levels as Extract<Levels, { kind: 'integer' }>);
  return ops.div(ops.sub(max, min), high - low);
}

function storedScale(ops: Ops, dtype: ScaleDtype, scale: Value): Value {
  if (dtype === 'F16') return ops.roundHalf(scale);
  if (dtype === 'BF16') return ops.roundFloat(scale, 7, -126);
  return dtype === 'F8_E4M3' ? ops.min(ops.roundFloat(scale, 3, -6), 448) : scale;
}

/** A weight in steps of its scale; 0 where that is 0. */
function quotient(ops: Ops, x: Value, scale: Value): Value {
  const isZero = ops.equal(scale, 0);
  return ops.where(isZero, 0, ops.div(x, ops.where(isZero, 1, scale)));
}

function nearestFloat(ops: Ops, levels: Extract<Levels, { kind: 'float' }>, x: Value): Value {
  const { exponent, mantissa, bias = 2 ** (exponent - 1) - 1 } = levels;
  const largest = largestLevel(levels);
  return ops.roundFloat(ops.clip(x, -largest, largest), mantissa, 1 - bias);
}

/** The table entry whose midpoints enclose x: a chain of Where, as no table look-up is portable. */
function nearestEntry(ops: Ops, levels: Levels, x: Value): Value {
  const entries = [...new Set([...codeValues(levels)].map((value) => value + 0))].sort((a, b) => a - b);
  return entries.slice(1).reduce<Value>((found, entry, k) => {
    const midpoint = Math.fround(Math.fround(entries[k]! + entry) * 0.5);
    return ops.where(ops.greater(x, midpoint), entry, found);
  }, ops.graph.constant(entries[0]!));
}
