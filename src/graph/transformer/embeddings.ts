import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import type { DecoderShape } from './decoderShape';
import { isCarrying, type CarryingDecoder } from './entryGraph';
import { floatTensor, output } from './graphLoader';
import type { Graphs } from './graphs';
import type { GraphSources } from './graphSources';
import type { Weights } from './weights';

/** The states of tokens before the first block. */
export class Embeddings {
  /** Rows of tables that were looked up, by token. */
  private readonly tables = new Map<string, Map<number, Float32Array>>();

  /** @param tokensPerRun tokens that go through a graph at a time. */
  constructor(
    private readonly shape: DecoderShape,
    private readonly weights: Weights,
    private readonly graphs: Graphs,
    private readonly sources: GraphSources,
    private readonly tokensPerRun: number,
  ) {}

  /** `[tokens, stateSize]`. */
  async of(tokens: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
    const { shape } = this;
    return isCarrying(shape) ? this.enter(shape, tokens, signal) : this.scaled(tokens, signal);
  }

  /** What states of some tokens are made of, where they are more than embeddings. */
  async inputsOf(
    { hiddenSize, carried: { layers }, entry: { table } }: CarryingDecoder,
    tokens: Int32Array,
    signal: AbortSignal | undefined,
  ): Promise<Record<string, Tensor>> {
    const x = floatTensor(await this.scaled(tokens, signal), [tokens.length, hiddenSize]);
    if (!layers || table === undefined) return { x };
    const columns = layers.count * layers.size;
    const rows = await this.rowsOf(table, tokens, columns, signal);
    return { x, layers: floatTensor(rows, [tokens.length, columns]) };
  }

  /** Releases rows that were looked up. */
  clear(): void {
    this.tables.clear();
  }

  private async enter(
    shape: CarryingDecoder,
    tokens: Int32Array,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    const states = new Float32Array(tokens.length * shape.stateSize);
    await this.graphs.using(this.sources.entry(shape), signal, async (graph) => {
      for (let first = 0; first < tokens.length; first += this.tokensPerRun) {
        throwIfCancelled(signal);
        const own = tokens.subarray(first, first + this.tokensPerRun);
        const outputs = await graph.run(await this.inputsOf(shape, own, signal));
        states.set(output(outputs, 'y'), first * shape.stateSize);
      }
    });
    return states;
  }

  /** Rows of the embedding by their factor, one for each token: `[n, hidden]`. */
  private async scaled(tokens: Int32Array, signal: AbortSignal | undefined): Promise<Float32Array> {
    const { hiddenSize, embeddingScale } = this.shape;
    const embedded = await this.rowsOf('token_embd.weight', tokens, hiddenSize, signal);
    if (embeddingScale !== 1) for (let i = 0; i < embedded.length; i++) embedded[i]! *= embeddingScale;
    return embedded;
  }

  /** Rows of a table, one for each token. */
  private async rowsOf(
    table: string,
    tokens: Int32Array,
    columns: number,
    signal: AbortSignal | undefined,
  ): Promise<Float32Array> {
    // Where weights stay in memory, windows come a few at a time, and most of their tokens recur.
    const { keep } = this.graphs;
    const rows = (keep ? this.tables.get(table) : undefined) ?? new Map<number, Float32Array>();
    if (keep) this.tables.set(table, rows);
    await this.weights.lookUp(table, tokens, rows, signal);
    const values = new Float32Array(tokens.length * columns);
    tokens.forEach((token, i) => values.set(rows.get(token)!, i * columns));
    return values;
  }
}
