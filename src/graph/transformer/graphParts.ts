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
  /**
   * How x `[n, in]` is multiplied with a matrix `[out, in]`; as `bind` gives it when absent.
   * @param member which of the matrices that heads have in one tensor.
   */
  readonly product?: (ops: Ops, x: Value, part: string, shape: readonly number[], member?: number) => Value;
  /** How the inputs of a matrix are rounded before they are multiplied with it. */
  readonly rounding?: (part: string) => Rounding | undefined;
  readonly taps?: TapKind | undefined;
}

/** An input that is measured: the matrices that it goes into, and the graph's outputs about it. */
export interface Tap {
  readonly parts: readonly string[];
  readonly columns: number;
  /** Matrices in each tensor, where each has rows of its own: everything that is measured is there for the first, then the second, … */
  readonly members?: number;
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
  /** Matrices in the tensor, where each has its own: values are `[members, n, …]`. */
  readonly members?: number;
}

/**
 * The gradient at the output of a matrix, `[n, rows]`, and its input, `[n, columns]`: names of a graph's outputs. Those of a tensor with a
 * matrix for each head have all rows of the first head before those of the second.
 */
export interface GradientProduct {
  readonly part: string;
  readonly members?: number;
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
  private readonly tapped = new Map<Value, { parts: string[]; columns: number; members?: number }>();
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

  /** Heads that have a matrix each, in a tensor `[heads, out, in]`: `[heads, n, in]` → `[heads, n, out]`. */
  linearEach(x: Value, name: string): Value {
    const part = `${name}.weight`;
    const [members, rows, columns] = this.shape(part) as [number, number, number];
    if (this.options.taps) this.tapped.set(x, { parts: [part], columns, members });
    const { product } = this.options;
    const { ops } = this;
    const own = (member: number): Value => ops.reshape(ops.slice(x, 0, member, member + 1), [-1, columns]);
    const products = (): Value[] =>
      Array.from({ length: members }, (_, member) =>
        ops.reshape(product!(ops, own(member), part, [rows, columns], member), [1, -1, rows]),
      );
    const output = product
      ? ops.concat(products(), 0)
      : ops.matmul(this.roundEach(x, part), ops.transpose(this.weight(part), [0, 2, 1]));
    this.multiplied.set(part, { input: x, output, members });
    return output;
  }

  /** Measures a value for matrices that a file has but nothing multiplies with it. */
  measureFor(x: Value, parts: readonly string[], columns: number): void {
    if (this.options.taps) for (const part of parts) this.tap(x, part, columns);
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
    const part = this.has(name) ? name : `${name}.weight`;
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

  /** The norm where its result is used in other ways than as the input of matrices, which no factor of a channel may change. */
  sharedNorm(x: Value, name: string): Value {
    return this.normed(x, this.weight(`${name}.weight`));
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
    return [...this.tapped].map(([x, { parts, columns, members }], index): Tap => {
      const name = (what: string): string => `tap${index}_${what}`;
      const [rowAxis, dims] = members === undefined ? [0, [columns]] : [1, [members, columns]];
      const overRows = (op: string, value: Value, output: string): string => {
        const reduced = ops.graph.node(op, [value, ops.graph.ints([rowAxis])], { keepdims: 0 });
        ops.graph.output(output, reduced, dims);
        return output;
      };
      const giver = this.givers.get(x);
      return {
        ...{ parts, columns, others: this.others.get(x) ?? [] },
        ...(members === undefined ? {} : { members }),
        ...(giver ? { giver } : {}),
        squares: overRows('ReduceSum', ops.square(x), name('squares')),
        sums: overRows('ReduceSum', x, name('sums')),
        largest: overRows('ReduceMax', ops.abs(x), name('largest')),
        ...(this.measuresRows() ? { rows: this.rowOutput(x, columns, name('rows'), members) } : {}),
      };
    });
  }

  private measuresRows(): boolean {
    const { grams, samples } = this.options.taps ?? {};
    return grams === true || samples !== undefined;
  }

  private rowOutput(x: Value, columns: number, name: string, members?: number): string {
    this.ops.graph.output(name, x, members === undefined ? ['n', columns] : [members, 'n', columns]);
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

  private roundEach(x: Value, part: string): Value {
    const [members, , columns] = this.shape(part) as [number, number, number];
    const rounded = this.round(x, part, columns);
    return rounded === x ? x : this.ops.reshape(rounded, [members, -1, columns]);
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
