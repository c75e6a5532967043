import type { Tensor } from 'onnxruntime-node';
import { throwIfCancelled } from '../../model/errors';
import { loadRuntime } from '../session';
import type { Decoder } from './decoder';
import type { BlockShape } from './blockShape';
import { floatTensor, output } from './graphLoader';

/** Keys and values of all earlier tokens, `[kvHeads, positions, headSize]`. */
interface KeysAndValues {
  readonly key: Float32Array;
  readonly value: Float32Array;
}

/** Text that grows token by token: keys and values of earlier ones are kept, so that each costs one pass over the weights. */
export class Generation {
  private readonly past: KeysAndValues[];
  private position = 0;

  /** @param positions most tokens that the text will have. */
  constructor(
    private readonly decoder: Decoder,
    private readonly positions: number,
  ) {
    this.past = decoder.shape.blocks.map((block) => zeros(block, 0));
  }

  /** Takes the text to have so many tokens, with keys and values of zero: their number decides the speed, not their values. */
  pretend(tokens: number): void {
    this.position = tokens;
    this.decoder.shape.blocks.forEach((block, i) => (this.past[i] = zeros(block, tokens)));
  }

  /** Logits of what follows one more token. */
  async next(token: number, signal?: AbortSignal): Promise<Float32Array> {
    const state = await this.decoder.embed(Int32Array.of(token), signal);
    for (const block of this.decoder.shape.blocks) {
      throwIfCancelled(signal);
      const { graphs, sources } = this.decoder;
      await graphs.using(sources.next(block, this.positions), signal, async (graph) => {
        const { key, value } = this.past[block.index]!;
        const dims = [1, block.kvHeads, this.position, block.headSize];
        const outputs = await graph.run({
          x: floatTensor(state, [1, state.length]),
          ...(block.rotation ? { position: positionTensor(this.position) } : {}),
          past_key: floatTensor(key, dims),
          past_value: floatTensor(value, dims),
        });
        state.set(output(outputs, 'y'));
        this.past[block.index] = { key: output(outputs, 'key'), value: output(outputs, 'value') };
        if (block.experts)
          await this.decoder.addExperts(block, state, output(outputs, 'routed'), output(outputs, 'router'));
      });
    }
    this.position += 1;
    await this.decoder.normalize(state, signal);
    return this.logits(state, signal);
  }

  private async logits(state: Float32Array, signal: AbortSignal | undefined): Promise<Float32Array> {
    const logits = new Float32Array(this.decoder.shape.vocabulary);
    for await (const slice of this.decoder.logitSlices(signal)) {
      logits.set(await slice.run(state), slice.first);
    }
    return logits;
  }
}

function zeros({ kvHeads, headSize }: BlockShape, positions: number): KeysAndValues {
  const size = kvHeads * headSize * positions;
  return { key: new Float32Array(size), value: new Float32Array(size) };
}

function positionTensor(position: number): Tensor {
  const { Tensor: OrtTensor } = loadRuntime();
  return new OrtTensor('int64', BigInt64Array.of(BigInt(position)), [1]);
}
