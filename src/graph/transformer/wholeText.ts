import type { Value } from '../onnxWriter';
import { rotate } from './attention';
import type { BlockShape } from './blockShape';
import type { GraphParts } from './graphParts';
import { hiddenScore, Sequence, type KeysAndValues } from './sequence';

export interface WholeTextOptions {
  /** Tokens that a text has at most. */
  readonly longest: number;
  /** Tokens see only those before them; otherwise those after them, too. */
  readonly causal: boolean;
}

/**
 * The tokens of one text at a time, all of them, `x` `[n, hidden]`. Positions from 0 to n − 1 are an input, `positions` `[n]`, of graphs
 * that need them.
 */
export class WholeText extends Sequence {
  constructor(
    private readonly parts: GraphParts,
    private readonly options: WholeTextOptions,
  ) {
    super();
  }

  separate(x: Value, dims: readonly number[]): Value {
    return this.parts.ops.reshape(x, [1, -1, ...dims]);
  }

  rotate(x: Value, block: Pick<BlockShape, 'rotation' | 'headSize'>, heads: number): Value {
    return rotate(this.parts, block, { length: this.options.longest }, x, heads);
  }

  withPast(_: unknown, own: KeysAndValues): KeysAndValues {
    return own;
  }

  hidden({ heads, kvHeads, window }: Pick<BlockShape, 'heads' | 'kvHeads' | 'window'>): Value | undefined {
    const { ops } = this.parts;
    const unseen = this.unseen(window);
    if (unseen === undefined) return undefined;
    const each = ops.where(unseen, hiddenScore, 0);
    return ops.concat(
      Array.from({ length: heads / kvHeads }, () => each),
      0,
    );
  }

  byPosition(name: string, numbers: (positions: number) => Float32Array): Value {
    const { graph } = this.parts.ops;
    const { longest } = this.options;
    const table = graph.table(name.replaceAll(' ', '.'), [longest, 1], numbers(longest));
    return graph.node('Gather', [table, graph.node('Cast', [this.positions()], { to: 7 })], { axis: 0 });
  }

  /** `[n, n]`: later tokens, and those before the window; where tokens see both sides, those more than half a window away. */
  private unseen(window: number | undefined): Value | undefined {
    const { ops } = this.parts;
    if (!this.options.causal) {
      if (window === undefined) return undefined;
      return ops.greater(ops.abs(this.distance()), Math.floor(window / 2));
    }
    const later = ops.greater(0, this.distance());
    if (window === undefined) return later;
    return ops.graph.node('Or', [later, ops.greater(this.distance(), window - 1)]);
  }

  /** `[n, n]`: how far the token of a column is before that of a row. */
  private distance(): Value {
    const { ops } = this.parts;
    return ops.sub(ops.reshape(this.positions(), [-1, 1]), this.positions());
  }

  private positions(): Value {
    return this.parts.once('positions', () => [this.parts.ops.graph.input('positions', ['n'])])[0]!;
  }
}
