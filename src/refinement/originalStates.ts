import type { ScoreBase } from '../evaluation/scoring';
import { embedWindows } from '../evaluation/scoring';
import type { ScoredInputs } from '../evaluation/windows';
import type { Decoder } from '../graph/transformer/decoder';
import type { PassOptions } from '../graph/transformer/pass';
import type { States } from '../graph/transformer/states';

/** What an original says of some windows: its states after the last norm, at all tokens. Close it. */
export class OriginalStates {
  private constructor(
    private readonly decoder: Decoder,
    private readonly states: States,
  ) {}

  /**
   * Runs the original over windows of its decoder's length. The decoder must stay open.
   * @param states are closed with the result, or here after an error.
   */
  static async measure(
    decoder: Decoder,
    windows: readonly ScoredInputs[],
    states: States,
    { windowsAtOnce, ...pass }: PassOptions & { readonly windowsAtOnce: number },
  ): Promise<OriginalStates> {
    try {
      await embedWindows(decoder, windows, states, { windowsAtOnce, signal: pass.signal });
      return new OriginalStates(decoder, await decoder.advance(states, pass));
    } catch (error) {
      states.close();
      throw error;
    }
  }

  /** Those of some windows, one after the other, by their index. */
  of(windows: readonly number[]): ScoreBase {
    const { decoder, states } = this;
    const { length } = decoder;
    const { hiddenSize } = decoder.shape;
    const read = (firstToken: number, target: Float32Array): Promise<void> => {
      const end = firstToken + target.length / hiddenSize;
      for (let token = firstToken; token < end;) {
        const [window, position] = [windows[Math.floor(token / length)]!, token % length];
        const count = Math.min(length - position, end - token);
        target.set(states.read(window * length + position, count), (token - firstToken) * hiddenSize);
        token += count;
      }
      return Promise.resolve();
    };
    return { decoder, read };
  }

  close(): void {
    this.states.close();
  }
}
