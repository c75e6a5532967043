import type { Value } from '../onnxWriter';
import type { Ops } from '../ops';
import type { BlockShape } from './blockShape';
import { rotationTables, type Rotation } from './rotation';

/** Added to the scores of what a query does not see. Finite, so that no provider makes NaN of a difference of two. */
export const hiddenScore = -1e30;

export interface KeysAndValues {
  /** `[windows, kvHeads, positions, headSize]`. */
  readonly key: Value;
  /** `[windows, kvHeads, positions, valueSize]`. */
  readonly value: Value;
}

export interface SequenceOptions {
  /** Ids of the tokens, int64 `[batch_size, sequence_length]`. */
  readonly ids: Value;
  /** Positions are below it. */
  readonly context: number;
  /** Keys and values of earlier tokens are inputs, and those of all tokens outputs. */
  readonly past: boolean;
  /** Makes a table a tensor of the graph. */
  readonly table: (name: string, dims: readonly number[], values: Float32Array) => Value;
}

/** The tokens that a graph gets, where each run chooses how many there are. */
export abstract class Sequence {
  /** Rows of all tokens, `[batch · sequence, …]`, as those of each text: `[batch, sequence, …dims]`. */
  abstract separate(x: Value, dims: readonly number[]): Value;
  /** Rotary embedding of `[batch, heads, sequence, headSize]`, each token by its position. */
  abstract rotate(x: Value, block: Pick<BlockShape, 'rotation' | 'headSize'>, heads: number): Value;
  /** Keys and values of a block, joined with those of earlier tokens where the graph gets any. */
  abstract withPast(sizes: KeptSizes, own: KeysAndValues): KeysAndValues;
  /** What is added to the scores `[batch, kvHeads, heads / kvHeads · sequence, total]` of a block: 0, or `hiddenScore`; undefined where all is seen. */
  abstract hidden(sizes: Pick<BlockShape, 'heads' | 'kvHeads' | 'window'>): Value | undefined;
  /** A number of each token by its position, `[batch, 1, sequence, 1]`. */
  abstract byPosition(name: string, numbers: (positions: number) => Float32Array): Value;
}

/**
 * The tokens that a graph of a whole model gets: `[batch_size, sequence_length]`, both chosen by each run, after earlier ones whose
 * keys and values are inputs. Inputs and outputs have the names that generation tools expect: `attention_mask`, `position_ids`,
 * `past_key_values.N.key`, `present.N.key`.
 */
export class TextSequence extends Sequence {
  private readonly made = new Map<string, Value>();
  private readonly rotations: Rotation[] = [];
  private readonly presents: (() => void)[] = [];

  constructor(
    private readonly ops: Ops,
    private readonly options: SequenceOptions,
  ) {
    super();
  }

  /** Rows of all tokens, `[batch · sequence, …]`, as those of each text: `[batch, sequence, …dims]`. */
  separate(x: Value, dims: readonly number[]): Value {
    const { ops, options } = this;
    const tokens = this.once('tokens', () => ops.graph.node('Shape', [options.ids]));
    const shape = this.once(`tokens ${dims.join()}`, () => ops.concat([tokens, ops.graph.ints(dims)], 0));
    return ops.graph.node('Reshape', [x, shape]);
  }

  /** Rotary embedding of `[batch, heads, sequence, headSize]`, each token by its entry in `position_ids`. */
  rotate(x: Value, { rotation, headSize }: Pick<BlockShape, 'rotation' | 'headSize'>): Value {
    if (!rotation) return x;
    const { ops } = this;
    const { dimensions, order } = rotation;
    const pairs = dimensions / 2;
    const { cos, sin } = this.angles(rotation);
    const isWhole = dimensions === headSize;
    const turning = isWhole ? x : ops.slice(x, -1, 0, dimensions);
    const rest = isWhole ? [] : [ops.slice(x, -1, dimensions, headSize)];
    const inPairs = order === 'pairs' ? ops.reshape(turning, [0, 0, 0, pairs, 2]) : undefined;
    const half = (index: 0 | 1): Value =>
      inPairs === undefined
        ? ops.slice(turning, -1, index * pairs, (index + 1) * pairs)
        : ops.reshape(ops.slice(inPairs, -1, index, index + 1), [0, 0, 0, pairs]);
    const [first, second] = [half(0), half(1)];
    const turned = [
      ops.sub(ops.mul(first, cos), ops.mul(second, sin)),
      ops.add(ops.mul(second, cos), ops.mul(first, sin)),
    ];
    if (inPairs === undefined) return ops.concat([...turned, ...rest], -1);
    const apart = turned.map((value) => ops.reshape(value, [0, 0, 0, pairs, 1]));
    return ops.concat([ops.reshape(ops.concat(apart, -1), [0, 0, 0, dimensions]), ...rest], -1);
  }

  /** Keys and values of a block, joined with those of earlier tokens where there are such inputs. */
  withPast({ index, kvHeads, headSize, valueSize = headSize }: KeptSizes, own: KeysAndValues): KeysAndValues {
    if (!this.options.past) return own;
    const { ops } = this;
    const join = (name: 'key' | 'value', size: number): Value => {
      const dims = (length: string) => ['batch_size', kvHeads, length, size];
      const past = ops.graph.input(`past_key_values.${index}.${name}`, dims('past_sequence_length'));
      const all = ops.concat([past, own[name]], 2);
      this.presents.push(() =>
        ops.graph.output(`present.${index}.${name}`, all, dims('total_sequence_length')),
      );
      return all;
    };
    return { key: join('key', headSize), value: join('value', valueSize) };
  }

  /** Adds the keys and values of all tokens as outputs, after those that were added before. */
  addPresents(): void {
    for (const add of this.presents.splice(0)) add();
  }

  /** What is added to the scores of a block `[batch, kvHeads, heads / kvHeads · sequence, total]`: 0, or `hiddenScore`. */
  hidden({ heads, kvHeads, window }: Pick<BlockShape, 'heads' | 'kvHeads' | 'window'>): Value {
    const perKey = heads / kvHeads;
    return this.once(`hidden ${window} ${perKey}`, () => {
      const each = this.once(`hidden ${window}`, () => this.ops.where(this.unseen(window), hiddenScore, 0));
      return this.ops.concat(
        Array.from({ length: perKey }, () => each),
        2,
      );
    });
  }

  /** `[batch, 1, sequence, total]`: padding, later tokens, and those before the window. */
  private unseen(window: number | undefined): Value {
    const { ops } = this;
    const { graph } = ops;
    const mask = this.once('mask', () => graph.input('attention_mask', maskShape, 'I64'));
    const keys = this.once('keys', () => this.slots(0));
    const queries = this.once('queries', () =>
      graph.node('Unsqueeze', [this.slots(this.pastLength()), graph.ints([1])]),
    );
    const padding = this.once('padding', () =>
      graph.node('Unsqueeze', [ops.equal(graph.node('Cast', [mask], toFloat), 0), graph.ints([1, 2])]),
    );
    const later = graph.node('Or', [padding, ops.greater(keys, queries)]);
    if (window === undefined) return later;
    return graph.node('Or', [later, ops.greater(queries, ops.add(keys, window - 1))]);
  }

  /** Indices of tokens from `first` (a float32 scalar) to the last one, as float32. */
  private slots(first: Value | number): Value {
    return this.ops.range(first, this.count('attention_mask'));
  }

  private pastLength(): Value {
    return this.ops.sub(this.count('attention_mask'), this.count('position_ids'));
  }

  /** Entries of the second axis of an input, as a float32 scalar. */
  private count(input: 'attention_mask' | 'position_ids'): Value {
    if (input === 'position_ids') this.positions();
    return this.once(`count ${input}`, () => this.ops.size(input, 1));
  }

  private positions(): Value {
    const shape = ['batch_size', 'sequence_length'];
    return this.once('positions', () => this.ops.graph.input('position_ids', shape, 'I64'));
  }

  /** A number of each token by its position, `[batch, 1, sequence, 1]`. */
  byPosition(name: string, numbers: (positions: number) => Float32Array): Value {
    return this.once(name, () => {
      const { graph } = this.ops;
      const { context } = this.options;
      const table = this.options.table(name.replaceAll(' ', '.'), [context, 1], numbers(context));
      const rows = graph.node('Gather', [table, this.positions()], { axis: 0 });
      return graph.node('Unsqueeze', [rows, graph.ints([1])]);
    });
  }

  /** Cosines and sines of the tokens' positions, `[batch, 1, sequence, pairs]`. */
  private angles(rotation: Rotation): { cos: Value; sin: Value } {
    const known = this.rotations.indexOf(rotation);
    const kind = known < 0 ? this.rotations.push(rotation) - 1 : known;
    const dims = [this.options.context, rotation.dimensions / 2];
    const tables = known < 0 ? rotationTables(rotation, this.options.context) : undefined;
    const looked = (name: 'cos' | 'sin'): Value =>
      this.once(`${name} ${kind}`, () => {
        const { graph } = this.ops;
        const table = this.options.table(`rotation.${kind}.${name}`, dims, tables![name]);
        const rows = graph.node('Gather', [table, this.positions()], { axis: 0 });
        return graph.node('Unsqueeze', [rows, graph.ints([1])]);
      });
    return { cos: looked('cos'), sin: looked('sin') };
  }

  private once(name: string, make: () => Value): Value {
    const value = this.made.get(name) ?? make();
    this.made.set(name, value);
    return value;
  }
}

type KeptSizes = Pick<BlockShape, 'index' | 'kvHeads' | 'headSize' | 'valueSize'>;

const maskShape = ['batch_size', 'total_sequence_length'];
const toFloat = { to: 1 };
