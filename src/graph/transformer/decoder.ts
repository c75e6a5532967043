import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import type { OrtDevice } from '../session';
import type { BlockShape } from './blockShape';
import type { DecoderShape } from './decoderShape';
import { Embeddings } from './embeddings';
import { ExpertPass } from './expertPass';
import { output } from './graphLoader';
import type { Graphs } from './graphs';
import type { GraphSources } from './graphSources';
import { piecesOf, tensorOf, turn, type PassOptions } from './pass';
import { MemoryStates, type States } from './states';
import { TapSums } from './tapSums';
import type { RowSpan } from './weightRows';
import type { Weights } from './weights';

/** Tokens that go through a graph at a time: on the CPU what keeps the cores busy, on a GPU what makes an upload worth it. */
const suitedTokens: Readonly<Record<OrtDevice, number>> = { 'ort-cpu': 512, webgpu: 1024, cuda: 8192 };

/** Rows of the output matrix, and so logits of a token, that are processed at a time. */
const maxLogits = 16_384;

/** Some rows of the output matrix, ready to run. */
export interface LogitSlice {
  /** First token of the slice, and how many. */
  readonly first: number;
  readonly count: number;
  /** Logits `[n, count]` of states `[n, hidden]` after the last norm. */
  run(states: Float32Array): Promise<Float32Array>;
}

/** A model that runs on one of ONNX Runtime's devices. States are `[tokens, stateSize]`, window after window. Close it. */
export class Decoder {
  /** Tokens that go through a graph at a time: whole windows. */
  readonly tokensPerRun: number;
  readonly embeddings: Embeddings;
  readonly experts: ExpertPass;

  constructor(
    readonly shape: DecoderShape,
    readonly weights: Weights,
    readonly graphs: Graphs,
    readonly sources: GraphSources,
    readonly device: OrtDevice,
    /** Tokens of a window. */
    readonly length: number,
    tokensAtOnce = suitedTokens[device],
  ) {
    this.tokensPerRun = Math.max(1, Math.floor(tokensAtOnce / length)) * length;
    this.embeddings = new Embeddings(shape, weights, graphs, sources, this.tokensPerRun);
    this.experts = new ExpertPass(weights, graphs, sources, this.tokensPerRun);
  }

  /** Whether all weights stay in memory. */
  get keeps(): boolean {
    return this.graphs.keep;
  }

  /** The states of tokens before the first block. */
  embed(tokens: Int32Array, signal?: AbortSignal): Promise<Float32Array> {
    return this.embeddings.of(tokens, signal);
  }

  /**
   * Runs the states of whole windows through all blocks and the last norm, in place.
   * @returns the same memory, `[tokens, hidden]`.
   */
  advance(states: Float32Array, pass?: PassOptions): Promise<Float32Array>;
  advance(states: States, pass?: PassOptions): Promise<States>;
  async advance(states: Float32Array | States, pass: PassOptions = {}): Promise<Float32Array | States> {
    for (const block of this.shape.blocks) await this.advanceBlock(block, states, pass);
    // The output matrix takes the memory of the blocks.
    if (!this.graphs.keep) await this.release();
    return states instanceof Float32Array
      ? this.normalize(states, pass.signal)
      : this.normalize(states, pass.signal);
  }

  /** Runs the states of whole windows through one block, in place. */
  async advanceBlock(block: BlockShape, given: Float32Array | States, pass: PassOptions): Promise<void> {
    const states = this.statesOf(given);
    if (!block.experts) return this.runBlock(block, states, pass, keepIn(states, 'y'));
    const routed = states.another();
    try {
      const router = await this.routeBlock(block, states, routed, pass, keepIn(states, 'y'));
      await this.experts.end(block, states, { routed, router }, pass);
    } finally {
      routed.close();
    }
  }

  /** Runs a block up to its experts: their inputs go into `routed`. @returns the router's logits `[tokens, experts]`. */
  async routeBlock(
    block: BlockShape,
    states: States,
    routed: States,
    pass: PassOptions,
    onOutputs?: OnOutputs,
  ): Promise<Float32Array> {
    const count = block.experts?.count ?? 0;
    const router = new Float32Array(count * states.tokens);
    const keep = keepIn(routed, 'routed');
    await this.runBlock(block, states, pass, (first, outputs) => {
      keep(first, outputs);
      router.set(output(outputs, 'router'), first * count);
      onOutputs?.(first, outputs);
    });
    return router;
  }

  /** The last norm, in place. @returns the same memory, `[tokens, hidden]`. */
  normalize(states: Float32Array, signal?: AbortSignal): Promise<Float32Array>;
  normalize(states: States, signal?: AbortSignal): Promise<States>;
  async normalize(given: Float32Array | States, signal?: AbortSignal): Promise<Float32Array | States> {
    const { hiddenSize } = this.shape;
    const states = this.statesOf(given);
    const normed = states.narrowed(hiddenSize);
    await this.graphs.using(this.sources.norm(), signal, async (norm) => {
      for (const { first, piece } of this.pieces(states)) {
        throwIfCancelled(signal);
        const outputs = await norm.run({ x: this.tensor(piece, states.width) });
        normed.write(first, output(outputs, 'y'));
      }
    });
    return given instanceof Float32Array ? given.subarray(0, states.tokens * hiddenSize) : normed;
  }

  /** Rows of the output matrix that are processed at a time. */
  *vocabularySlices(): Generator<RowSpan> {
    const { vocabulary } = this.shape;
    for (let first = 0; first < vocabulary; first += maxLogits)
      yield { first, count: Math.min(maxLogits, vocabulary - first) };
  }

  /** The output matrix, slice by slice of the vocabulary; a slice is valid until the next one is requested or the iteration ends. */
  async *logitSlices(signal?: AbortSignal): AsyncGenerator<LogitSlice> {
    for (const { first, count } of this.vocabularySlices()) {
      const graph = await this.graphs.obtain(this.sources.logits(first, count), signal);
      const run = async (states: Float32Array) => output(await graph.run({ x: this.tensor(states) }), 'y');
      try {
        yield { first, count, run };
      } finally {
        await this.graphs.letGo(graph);
      }
    }
  }

  /** Measures the input of the output matrix: states after the last norm. */
  async tapOutput(given: Float32Array | States, { taps, signal }: PassOptions): Promise<void> {
    if (!taps) return;
    const states = this.statesOf(given, this.shape.hiddenSize);
    // One row of the matrix is enough: its input is the same for all.
    await this.graphs.using(this.sources.logits(0, 1, taps.kind), signal, async (graph) => {
      const sums = new TapSums(graph.taps, '', taps.kind);
      for (const { piece } of this.pieces(states)) {
        throwIfCancelled(signal);
        const outputs = await graph.run({ x: this.tensor(piece) });
        await sums.add(outputs, piece.length / this.shape.hiddenSize, signal);
      }
      for (const found of sums.finish()) await taps.onStatistics(found);
    });
  }

  /** Releases all graphs, so that others can take their memory. */
  release(): Promise<void> {
    this.embeddings.clear();
    return this.graphs.release();
  }

  close(): Promise<void> {
    return this.graphs.close();
  }

  /** The graph of a block over all states. */
  private async runBlock(
    block: BlockShape,
    states: States,
    pass: PassOptions,
    onOutputs: OnOutputs,
  ): Promise<void> {
    const { blocks } = this.shape;
    const source = this.sources.block(block, this.length, pass.taps?.kind);
    await this.graphs.using(source, pass.signal, async (graph) => {
      const sums = new TapSums(graph.taps, `blk.${block.index}.`, pass.taps?.kind);
      for (const { first, piece } of this.pieces(states)) {
        throwIfCancelled(pass.signal);
        const outputs = await graph.run({ x: this.tensor(piece, states.width) });
        onOutputs(first, outputs);
        await sums.add(outputs, piece.length / states.width, pass.signal);
        pass.onStep?.(`block ${block.index + 1} of ${blocks.length}`);
        await turn();
      }
      for (const found of sums.finish()) await pass.taps?.onStatistics(found);
    });
  }

  private statesOf(states: Float32Array | States, width = this.shape.stateSize): States {
    return states instanceof Float32Array ? new MemoryStates(states, width) : states;
  }

  /** The states of whole windows, as many as go through a graph at a time. */
  pieces(states: States): ReturnType<typeof piecesOf> {
    return piecesOf(states, this.tokensPerRun);
  }

  /** States as a graph takes them, of a width other than that of hidden states where it is stated. */
  tensor(states: Float32Array, width = this.shape.hiddenSize): Tensor {
    return tensorOf(states, width);
  }
}

/** Receives what a run gave for the tokens from `first` on. */
type OnOutputs = (first: number, outputs: Readonly<Record<string, Tensor>>) => void;

const keepIn =
  (states: States, name: string): OnOutputs =>
  (first, outputs) =>
    states.write(first, output(outputs, name));
