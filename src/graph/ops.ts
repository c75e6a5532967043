import type { GraphBuilder, Value } from './onnxWriter';

/**
 * Which operators a graph may use: `ours` those that are fastest in ONNX Runtime, its own included; `standard` those of the ONNX
 * standard, which every runtime has.
 */
export type OperatorSet = 'ours' | 'standard';

/** Arithmetic on graph values; numbers become constants. */
export class Ops {
  constructor(
    readonly graph: GraphBuilder,
    private readonly operators: OperatorSet = 'ours',
  ) {}

  private binary(op: string, a: Value | number, b: Value | number): Value {
    return this.graph.node(op, [this.value(a), this.value(b)]);
  }
  private value(x: Value | number): Value {
    return typeof x === 'number' ? this.graph.constant(x) : x;
  }

  add = (a: Value | number, b: Value | number): Value => this.binary('Add', a, b);
  sub = (a: Value | number, b: Value | number): Value => this.binary('Sub', a, b);
  mul = (a: Value | number, b: Value | number): Value => this.binary('Mul', a, b);
  div = (a: Value | number, b: Value | number): Value => this.binary('Div', a, b);
  min = (a: Value | number, b: Value | number): Value => this.binary('Min', a, b);
  max = (a: Value | number, b: Value | number): Value => this.binary('Max', a, b);
  greater = (a: Value | number, b: Value | number): Value => this.binary('Greater', a, b);
  equal = (a: Value | number, b: Value | number): Value => this.binary('Equal', a, b);
  and = (a: Value, b: Value): Value => this.binary('And', a, b);
  abs = (x: Value): Value => this.graph.node('Abs', [x]);
  neg = (x: Value): Value => this.graph.node('Neg', [x]);
  sqrt = (x: Value): Value => this.graph.node('Sqrt', [x]);
  floor = (x: Value): Value => this.graph.node('Floor', [x]);
  /** ±1; the Sign operator has no kernel on WebGPU. */
  sign = (x: Value): Value => this.where(this.greater(0, x), -1, 1);
  where = (condition: Value, a: Value | number, b: Value | number): Value =>
    this.graph.node('Where', [condition, this.value(a), this.value(b)]);
  reshape = (x: Value, shape: readonly number[]): Value =>
    this.graph.node('Reshape', [x, this.graph.ints(shape)]);
  transpose = (x: Value, perm: readonly number[]): Value => this.graph.node('Transpose', [x], { perm });
  concat = (parts: readonly Value[], axis: number): Value =>
    parts.length === 1 ? parts[0]! : this.graph.node('Concat', parts, { axis });
  /** Entries from `first` up to `end` of an axis. */
  slice = (x: Value, axis: number, first: number, end: number): Value =>
    this.graph.node('Slice', [x, ...[[first], [end], [axis]].map((values) => this.graph.ints(values))]);
  /** Entries of an axis, as a float32 scalar: exact below 2^24. */
  size(x: Value, axis: number): Value {
    const size = this.graph.node('Shape', [x], { start: axis, end: axis + 1 });
    return this.graph.node('Cast', [this.graph.node('Squeeze', [size])], { to: 1 });
  }
  /** Whole numbers from `first` up to `end`, both float32 scalars. */
  range = (first: Value | number, end: Value): Value =>
    this.graph.node('Range', [this.value(first), end, this.graph.constant(1)]);
  /** Zeros before and after the entries of an axis of a value of `rank` dimensions. */
  pad(x: Value, axis: number, rank: number, before: number, after = 0): Value {
    if (before + after === 0) return x;
    const pads = Array.from({ length: 2 * rank }, () => 0);
    return this.graph.node('Pad', [x, this.graph.ints(pads.with(axis, before).with(rank + axis, after))]);
  }
  /** Sums along an axis up to each entry, itself included. */
  cumulative = (x: Value, axis: number): Value => this.graph.node('CumSum', [x, this.graph.ints([axis])]);
  matmul = (a: Value, b: Value): Value => this.graph.node('MatMul', [a, b]);
  /** x Wᵀ + b: `[n, in]` and `[out, in]` → `[n, out]`. */
  linear = (x: Value, weight: Value, bias?: Value): Value =>
    this.graph.node('Gemm', bias === undefined ? [x, weight] : [x, weight, bias], { transB: 1 });
  softmax = (x: Value): Value => this.graph.node('Softmax', [x], { axis: -1 });
  tanh = (x: Value): Value => this.graph.node('Tanh', [x]);
  sigmoid = (x: Value): Value => this.graph.node('Sigmoid', [x]);
  silu = (x: Value): Value => this.mul(x, this.sigmoid(x));
  exp = (x: Value): Value => this.graph.node('Exp', [x]);
  /** GELU by its tanh form (Hendrycks and Gimpel 2016). */
  gelu(x: Value): Value {
    const inner = this.mul(
      this.add(x, this.mul(this.mul(this.square(x), x), 0.044715)),
      Math.sqrt(2 / Math.PI),
    );
    return this.mul(this.mul(x, 0.5), this.add(this.tanh(inner), 1));
  }
  /**
   * ln(1 + eˣ) = max(x, 0) + ln(1 + e^−|x|), small results as exact as large ones: ln(1 + p) is twice the series of artanh(p / (p + 2)), whose
   * argument is at most 1/3. The Softplus operator has no kernel on WebGPU.
   */
  softplus(x: Value): Value {
    const isPositive = this.greater(x, 0);
    const p = this.exp(this.where(isPositive, this.neg(x), x));
    const z = this.div(p, this.add(p, 2));
    const square = this.square(z);
    const series = [11, 9, 7, 5, 3, 1].reduce<Value | number>(
      (sum, power) => this.add(this.mul(square, sum), 1 / power),
      1 / 13,
    );
    return this.add(this.where(isPositive, x, 0), this.mul(this.mul(z, 2), series));
  }
  /** c · tanh(x / c). */
  softcap = (x: Value, cap: number): Value => this.mul(this.tanh(this.div(x, cap)), cap);
  /** x / √(mean of x² over the last axis + ε) · weight. ONNX Runtime fuses the standard form, in this order of nodes, into the same kernel. */
  rmsNorm(x: Value, weight: Value, epsilon: number): Value {
    if (this.operators === 'ours')
      return this.graph.node('SimplifiedLayerNormalization', [x, weight], {
        ...{ axis: -1, epsilon: { float: epsilon } },
      });
    const squares = this.graph.node('Pow', [x, this.graph.constant(2)]);
    const mean = this.reduceLast('ReduceMean', squares);
    return this.mul(this.div(x, this.sqrt(this.add(mean, epsilon))), weight);
  }
  /** s · x, then c · tanh(x / c); either may be absent. */
  logits = (x: Value, { logitScale, logitCap }: { logitScale?: number; logitCap?: number }): Value => {
    const scaled = logitScale === undefined ? x : this.mul(x, logitScale);
    return logitCap === undefined ? scaled : this.softcap(scaled, logitCap);
  };

  square = (x: Value): Value => this.mul(x, x);
  clip = (x: Value, low: number, high: number): Value => this.max(this.min(x, high), low);

  /** Reductions over the last axis, which stays with size 1. */
  meanLast = (x: Value): Value => this.reduceLast('ReduceMean', x);
  sumLast = (x: Value): Value => this.reduceLast('ReduceSum', x);
  maxLast = (x: Value): Value => this.reduceLast('ReduceMax', x);
  minLast = (x: Value): Value => this.reduceLast('ReduceMin', x);
  /** The largest of all, a scalar. */
  maxAll = (x: Value): Value => this.graph.node('ReduceMax', [x], { keepdims: 0 });
  private reduceLast(op: string, x: Value): Value {
    return this.graph.node(op, [x, this.graph.ints([-1])], { keepdims: 1 });
  }

  /**
   * Sum over the last axis of `[n, length]` in index order, in float32: bit for bit what a plain loop adds up. Searches that
   * compare nearly equal sums need it to choose as the addon does; ReduceSum guarantees no order, running sums have one. Adding
   * column by column needs dozens of nodes instead, and making a session takes time that grows with their square.
   */
  sumInOrder(x: Value, length: number): Value {
    const last = this.graph.ints([-1]);
    const sums = this.cumulative(x, -1);
    return this.graph.node('Slice', [sums, this.graph.ints([length - 1]), this.graph.ints([length]), last]);
  }

  /** Rounds half to even for |x| < 2^22; the Round operator has no kernel on WebGPU. */
  round(x: Value): Value {
    return this.sub(this.add(x, 12582912), 12582912);
  }

  /**
   * The element of largest magnitude of each row of `[n, length]`, with its sign; the first one of equals.
   */
  extreme(x: Value, length: number): Value {
    const magnitude = this.abs(x);
    const positions = this.graph.floats(Array.from({ length }, (_, i) => i));
    const candidates = this.where(this.equal(magnitude, this.maxLast(magnitude)), positions, length);
    const isFirst = this.equal(candidates, this.minLast(candidates));
    const chosen = this.where(this.and(isFirst, this.greater(length, candidates)), x, 0);
    return this.sumLast(chosen);
  }

  /**
   * Rounds to a float of `mantissa` stored bits: by Veltkamp's splitting above the smallest normal, to multiples of the
   * subnormal step below it.
   */
  roundFloat(x: Value, mantissa: number, smallestExponent: number): Value {
    const scaled = this.mul(x, 2 ** (23 - mantissa) + 1);
    const normal = this.sub(scaled, this.sub(scaled, x));
    const shift = 12582912 * 2 ** (smallestExponent - mantissa);
    const subnormal = this.sub(this.add(x, shift), shift);
    return this.where(this.greater(2 ** smallestExponent, this.abs(x)), subnormal, normal);
  }

  roundHalf = (x: Value): Value => this.roundFloat(x, 10, -14);
}
