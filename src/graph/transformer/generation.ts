import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import { loadRuntime } from '../session';
import type { Decoder } from './decoder';
import type { BlockShape } from './blockShape';
import { floatTensor, output } from './graphLoader';
import { keptStates } from './mixers';
import { MemoryStates, type States } from './states';

/** What a block keeps of earlier tokens, by name: keys and values, and the states of other mixers. */
type Kept = Readonly<Record<string, Float32Array>>;

/** Text that grows token by token: states of earlier ones are kept, so that each costs one pass over the weights. */
export class Generation {
  private past: Kept[];
  private position = 0;

  /** @param positions most tokens that the text will have. */
  constructor(
    private readonly decoder: Decoder,
    private readonly positions: number,
  ) {
    this.past = decoder.shape.blocks.map((block) => zeros(block, 0));
  }

  /** The same text with a continuation of its own. States so far are shared: none is ever changed. */
  fork(): Generation {
    const other = new Generation(this.decoder, this.positions);
    other.past = [...this.past];
    other.position = this.position;
    return other;
  }

  /** Takes the text to have so many tokens, with states of zero: their number decides the speed, not their values. */
  pretend(tokens: number): void {
    this.position = tokens;
    this.decoder.shape.blocks.forEach((block, i) => (this.past[i] = zeros(block, tokens)));
  }

  /** Logits of what follows one more token. */
  async next(token: number, signal?: AbortSignal): Promise<Float32Array> {
    const state = await this.advance(token, signal);
    return this.logits(await this.decoder.normalize(state, signal), signal);
  }

  /** Takes one more token. @returns its state after the last block. */
  async advance(token: number, signal?: AbortSignal): Promise<Float32Array> {
    const state = await this.decoder.embed(Int32Array.of(token), signal);
    for (const block of this.decoder.shape.blocks) {
      throwIfCancelled(signal);
      const { graphs, sources } = this.decoder;
      await graphs.using(sources.next(block, this.positions), signal, async (graph) => {
        const outputs = await graph.run({
          x: floatTensor(state, [1, state.length]),
          ...(block.rotation ? { position: positionTensor(this.position) } : {}),
          ...this.pastOf(block),
        });
        state.set(output(outputs, 'y'));
        const kept = Object.keys(this.past[block.index]!).map(
          (name) => [name, output(outputs, name)] as const,
        );
        this.past[block.index] = Object.fromEntries(kept);
        if (block.experts) await this.endBlock(block, state, outputs);
      });
    }
    this.position += 1;
    return state;
  }

  /** Runs the experts of a block, whose graph gave the state and what they need. */
  private endBlock(
    block: BlockShape,
    state: Float32Array,
    outputs: Readonly<Record<string, Tensor>>,
  ): Promise<void> {
    const rows = (values: Float32Array): States => new MemoryStates(values, block.hiddenSize);
    const tokens = { routed: rows(output(outputs, 'routed')), router: output(outputs, 'router') };
    return this.decoder.experts.end(block, rows(state), tokens);
  }

  /** Inputs of a block's graph. */
  private pastOf(block: BlockShape): Record<string, Tensor> {
    const past = this.past[block.index]!;
    const inputs = Object.entries(keptStates(block, this.position)).map(
      ([name, dims]) => [`past_${name}`, floatTensor(past[name]!, dims)] as const,
    );
    return Object.fromEntries(inputs);
  }

  private async logits(state: Float32Array, signal: AbortSignal | undefined): Promise<Float32Array> {
    const logits = new Float32Array(this.decoder.shape.vocabulary);
    for await (const slice of this.decoder.logitSlices(signal)) {
      logits.set(await slice.run(state), slice.first);
    }
    return logits;
  }
}

function zeros(block: BlockShape, positions: number): Kept {
  const states = Object.entries(keptStates(block, positions)).map(([name, dims]) => {
    const size = dims.reduce((product, dimension) => product * dimension, 1);
    return [name, new Float32Array(size)] as const;
  });
  return Object.fromEntries(states);
}

function positionTensor(position: number): Tensor {
  const { Tensor: OrtTensor } = loadRuntime();
  return new OrtTensor('int64', BigInt64Array.of(BigInt(position)), [1]);
}
