import { throwIfCancelled } from '../../model/errors';
import type { BlockShape } from './blockShape';
import { isClosed } from './closing';
import { output } from './graphLoader';
import type { Graphs } from './graphs';
import type { GraphSources } from './graphSources';
import { expertBias } from './mixture';
import { piecesOf, tensorOf, turn, type PassOptions } from './pass';
import { routeTokens, sharesOf, type Assignment, type Routing } from './routing';
import { clear, type States } from './states';
import { TapSums } from './tapSums';
import type { Weights } from './weights';

/** What the graph of a block with experts gives for these. */
export interface RoutedTokens {
  /** Inputs of the experts, `[tokens, hidden]`. */
  readonly routed: States;
  /** The router's logits, `[tokens, experts]`. */
  readonly router: Float32Array;
}

/** The experts of blocks, which run outside the graphs of these: each gets all of its tokens at once, so that its weights are read once. */
export class ExpertPass {
  /** @param tokensPerRun tokens that go through a graph at a time. */
  constructor(
    private readonly weights: Weights,
    private readonly graphs: Graphs,
    private readonly sources: GraphSources,
    private readonly tokensPerRun: number,
  ) {}

  /** What comes after the router of a block: the states that its graph gave, `[tokens, hidden]`, become those after it. */
  async end(block: BlockShape, states: States, tokens: RoutedTokens, pass: PassOptions = {}): Promise<void> {
    if (!isClosed(block)) return this.addTo(states, block, tokens, pass);
    const experts = await this.sums(block, states, tokens, pass);
    try {
      const source = this.sources.closing(block, pass.taps?.kind);
      await this.graphs.using(source, pass.signal, async (graph) => {
        const sums = new TapSums(graph.taps, `blk.${block.index}.`, pass.taps?.kind);
        for (const { first, piece } of piecesOf(states, this.tokensPerRun)) {
          throwIfCancelled(pass.signal);
          const count = piece.length / states.width;
          const outputs = await graph.run({
            x: tensorOf(piece, states.width),
            experts: tensorOf(experts.read(first, count), states.width),
          });
          states.write(first, output(outputs, 'y'));
          await sums.add(outputs, count, pass.signal);
          await turn();
        }
        for (const found of sums.finish()) await pass.taps?.onStatistics(found);
      });
    } finally {
      experts.close();
    }
  }

  /** What the experts of a block add up to, `[tokens, hidden]`, kept where the states are. Close it. */
  async sums(block: BlockShape, states: States, tokens: RoutedTokens, pass: PassOptions): Promise<States> {
    const experts = states.another();
    try {
      clear(experts, this.tokensPerRun);
      await this.addTo(experts, block, tokens, pass);
      return experts;
    } catch (error) {
      experts.close();
      throw error;
    }
  }

  /** How the experts of a block are chosen. */
  async routingOf({ index, tensors, experts }: BlockShape, signal?: AbortSignal): Promise<Routing> {
    if (!tensors.has(expertBias)) return experts!;
    const bias = new Float32Array(experts!.count);
    await this.weights.load(`blk.${index}.${expertBias}`, bias, { signal });
    return { ...experts!, bias };
  }

  /** The tokens of an expert, as many as go through a graph at a time. */
  *partsOf({ rows, shares }: Assignment): Generator<Assignment> {
    for (let first = 0; first < rows.length; first += this.tokensPerRun) {
      const end = first + this.tokensPerRun;
      yield { rows: rows.slice(first, end), shares: shares.slice(first, end) };
    }
  }

  /** Adds what the chosen experts of a block give to the states of their tokens. */
  private async addTo(
    states: States,
    block: BlockShape,
    { routed, router }: RoutedTokens,
    pass: PassOptions,
  ): Promise<void> {
    const routing = await this.routingOf(block, pass.signal);
    for (const [expert, assignment] of routeTokens(router, routing).entries()) {
      if (assignment.rows.length === 0) continue;
      const source = this.sources.expert(block, expert, pass.taps?.kind);
      await this.graphs.using(source, pass.signal, async (graph) => {
        const sums = new TapSums(graph.taps, `blk.${block.index}.`, pass.taps?.kind, expert);
        for (const part of this.partsOf(assignment)) {
          throwIfCancelled(pass.signal);
          const { inputs, added } = sharesOf(routing, routed.gather(part.rows), part);
          const outputs = await graph.run({ x: tensorOf(inputs, routed.width) });
          states.scatter(output(outputs, 'y'), added);
          await sums.add(outputs, part.rows.length, pass.signal);
          await turn();
        }
        for (const found of sums.finish()) await pass.taps?.onStatistics(found);
      });
    }
  }
}
