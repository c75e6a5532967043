import type { Tensor } from 'onnxruntime-node';
import { floatTensor } from './graphLoader';
import type { TapKind } from './graphParts';
import type { States } from './states';
import type { InputStatistics } from './tapSums';

export interface PassOptions {
  readonly signal?: AbortSignal | undefined;
  /** After each run of a graph; `part` says which. */
  readonly onStep?: ((part: string) => void) | undefined;
  /** Measures the inputs of all matrices. */
  readonly taps?:
    | {
        readonly kind: TapKind;
        readonly onStatistics: (found: InputStatistics) => Promise<void> | void;
      }
    | undefined;
}

/** Lets messages through between two runs: a run blocks the event loop. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** States as a graph takes them: `[tokens, width]`. */
export const tensorOf = (states: Float32Array, width: number): Tensor =>
  floatTensor(states, [states.length / width, width]);

/** States, so many tokens at a time, from the first on. */
export function* piecesOf(
  states: States,
  tokensAtOnce: number,
): Generator<{ readonly first: number; readonly piece: Float32Array }> {
  for (let first = 0; first < states.tokens; first += tokensAtOnce)
    yield { first, piece: states.read(first, Math.min(tokensAtOnce, states.tokens - first)) };
}
