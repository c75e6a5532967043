import type { GraphBuilder, Value } from '../onnxWriter';
import type { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import { roundInputs, type Rounding } from './rounding';

/** Makes a weight part of a graph: as an input, or as values that the graph holds or points to. */
export type Bind = (graph: GraphBuilder, part: string, shape: readonly number[]) => Value;

/** What is measured at the inputs of matrices: sums always. */
export interface TapKind {
  /** XᵀX, too. */
  readonly grams?: boolean;
  /** Rows of each input that are kept: a sample of all of them. */
  readonly samples?: number;
}

export interface GraphOptions {
  readonly bind: Bind;
  /** How x `[n, in]` is multiplied with a matrix `[out, in]`; as `bind` gives it when absent. */
  readonly product?: (ops: Ops, x: Value, part: string, shape: readonly number[]) => Value;
  /** How the inputs of a matrix are rounded before they are multiplied with it. */
  readonly rounding?: (part: string) => Rounding | undefined;
  readonly taps?: TapKind | undefined;
}

/** An input that is measured: the matrices that it goes into, and the graph's outputs about it. */
export interface Tap {
  readonly parts: readonly string[];
  readonly columns: number;
  /** `[columns]` each: Σx², Σx, max|x| over the rows. */
  readonly squares: string;
  readonly sums: string;
  readonly largest: string;
  /** What each channel of the input is proportional to, where that is known. */
  readonly giver?: Giver;
  /** Other weights that the input is multiplied with. */
  readonly others: readonly string[];
  /** The input itself, `[n, columns]`, where more than sums is measured. */
  readonly rows?: string;
}

/**
 * The weights that each channel of a value is proportional to: entries of a norm, or rows of a matrix from `firstRow` on. Dividing them and
 * multiplying the columns of all users by the same factors changes nothing else.
 */
export interface Giver {
  readonly part: string;
  readonly firstRow: number;
}

/** The values before and after a matrix, `[n, columns]` and `[n, rows]`. */
export interface Product {
  readonly input: Value;
  readonly output: Value;
}

/** The gradient at the output of a matrix, `[n, rows]`, and its input, `[n, columns]`: names of a graph's outputs. */
export interface GradientProduct {
  readonly part: string;
  readonly rows: number;
  readonly columns: number;
  readonly gradient: string;
  readonly input: string;
}

/** The gradient with respect to a weight, of its shape: the name of a graph's output. */
export interface WeightGradient {
  readonly part: string;
  readonly shape: readonly number[];
  readonly gradient: string;
}

/** Linear layers and norms of a graph, with what is measured and rounded at their inputs. */
export class GraphParts {
  private readonly shared = new Map<string, readonly Value[]>();
  private readonly bound = new Map<string, Value>();
  private readonly rounded = new Map<string, Value>();
  private readonly tapped = new Map<Value, { parts: string[]; columns: number }>();
  private readonly givers = new Map<Value, Giver>();
  private readonly others = new Map<Value, readonly string[]>();
  private readonly multiplied = new Map<string, Product>();

  constructor(
    readonly ops: Ops,
    private readonly tensors: BlockShape['tensors'],
    private readonly epsilon: number,
    private readonly options: GraphOptions,
    private readonly centredNorms = false,
  ) {}

  has(part: string): boolean {
    return this.tensors.has(part);
  }

  shape(part: string): readonly number[] {
    const shape = this.tensors.get(part);
    if (!shape) throw new RangeError(`there is no ${part}`);
    return shape;
  }

  weight(part: string): Value {
    const known = this.bound.get(part);
    if (known !== undefined) return known;
    const value = this.options.bind(this.ops.graph, part, this.shape(part));
    this.bound.set(part, value);
    return value;
  }

  /** Values that several parts of a graph share, made when first requested. */
  once(name: string, make: () => readonly Value[]): readonly Value[] {
    const known = this.shared.get(name) ?? make();
    this.shared.set(name, known);
    return known;
  }

  /** `[n, in]` → `[n, out]`, with the bias where there is one. */
  linear(x: Value, name: string): Value {
    const part = `${name}.weight`;
    const columns = this.shape(part).at(-1)!;
    if (this.options.taps) this.tap(x, part, columns);
    const bias = this.has(`${name}.bias`) ? this.weight(`${name}.bias`) : undefined;
    const output = this.multiply(x, part, columns, bias);
    this.multiplied.set(part, { input: x, output });
    return output;
  }

  /** What `linear` has made so far, by the matrix. */
  get products(): ReadonlyMap<string, Product> {
    return this.multiplied;
  }

  /** The weights that are part of the graph so far. */
  get weights(): ReadonlyMap<string, Value> {
    return this.bound;
  }

  /** RMS norm over the last axis, or of what differs from the mean (layer norm); x itself where the block has none of that name. */
  norm(x: Value, name: string): Value {
    const part = `${name}.weight`;
    if (!this.has(part)) return x;
    const normed = this.normed(x, this.weight(part));
    const bias = `${name}.bias`;
    return this.given(this.has(bias) ? this.ops.add(normed, this.weight(bias)) : normed, part);
  }

  /** The same for heads `[…, heads, size]`, by weights `[size]` that all share, or by their own, `[heads, size]`. */
  normEach(x: Value, name: string): Value {
    const part = `${name}.weight`;
    if (!this.has(part) || this.shape(part).length === 1) return this.norm(x, name);
    const same = this.ops.graph.floats(Array.from({ length: this.shape(part)[1]! }, () => 1));
    return this.ops.mul(this.normed(x, same), this.weight(part));
  }

  private normed(x: Value, weight: Value): Value {
    const centred = this.centredNorms ? this.ops.sub(x, this.ops.meanLast(x)) : x;
    return this.ops.rmsNorm(centred, weight, this.epsilon);
  }

  /** Notes what each channel of a value is proportional to. */
  given(x: Value, part: string, firstRow = 0): Value {
    this.givers.set(x, { part, firstRow });
    return x;
  }

  /** Notes another weight that a value is multiplied with, whose input is not measured for it. */
  usedBy(x: Value, part: string): void {
    this.others.set(x, [...(this.others.get(x) ?? []), part]);
  }

  /** Adds the measures of all tapped inputs as outputs of the graph. */
  finishTaps(): Tap[] {
    const { ops } = this;
    return [...this.tapped].map(([x, { parts, columns }], index): Tap => {
      const name = (what: string): string => `tap${index}_${what}`;
      const overRows = (op: string, value: Value, output: string): string => {
        const reduced = ops.graph.node(op, [value, ops.graph.ints([0])], { keepdims: 0 });
        ops.graph.output(output, reduced, [columns]);
        return output;
      };
      const giver = this.givers.get(x);
      return {
        ...{ parts, columns, others: this.others.get(x) ?? [] },
        ...(giver ? { giver } : {}),
        squares: overRows('ReduceSum', ops.square(x), name('squares')),
        sums: overRows('ReduceSum', x, name('sums')),
        largest: overRows('ReduceMax', ops.abs(x), name('largest')),
        ...(this.measuresRows() ? { rows: this.rowOutput(x, columns, name('rows')) } : {}),
      };
    });
  }

  private measuresRows(): boolean {
    const { grams, samples } = this.options.taps ?? {};
    return grams === true || samples !== undefined;
  }

  private rowOutput(x: Value, columns: number, name: string): string {
    this.ops.graph.output(name, x, ['n', columns]);
    return name;
  }

  private tap(x: Value, part: string, columns: number): void {
    const known = this.tapped.get(x);
    if (known) known.parts.push(part);
    else this.tapped.set(x, { parts: [part], columns });
  }

  private multiply(x: Value, part: string, columns: number, bias: Value | undefined): Value {
    const { product } = this.options;
    if (!product) return this.ops.linear(this.round(x, part, columns), this.weight(part), bias);
    const found = product(this.ops, x, part, this.shape(part));
    return bias === undefined ? found : this.ops.add(found, bias);
  }

  private round(x: Value, part: string, columns: number): Value {
    const rounding = this.options.rounding?.(part);
    if (!rounding) return x;
    const key = `${JSON.stringify(rounding)} ${x}`;
    const value = this.rounded.get(key) ?? roundInputs(this.ops, x, rounding, columns);
    this.rounded.set(key, value);
    return value;
  }
}
