import type { Decoder } from '../graph/transformer/decoder';
import type { DecoderShape } from '../graph/transformer/decoderShape';
import { tokenDivergences, tokenLosses, type TokenDivergences } from './divergence';
import { joinArrays } from './joinArrays';
import { scoredOf, sumLogits, type WaveOptions } from './scoring';
import type { ScoredInputs } from './windows';

/** Errors of states, Σ‖y' − y‖² / Σ‖y‖², and of the output, where a model is compared with its original. */
export interface BlockErrors {
  readonly blocks: readonly {
    readonly block: number;
    /** The block alone is changed. */
    readonly own: number;
    /** All blocks up to this one are. */
    readonly accumulated: number;
  }[];
  /** After the last norm. */
  readonly output: number;
  /** Per scored token. */
  readonly losses: Float64Array;
  readonly divergences: TokenDivergences;
}

/** Runs both models over the same windows, block by block: each changed block gets the states of the original, and those of the changed run. */
export async function blockErrors(
  original: Decoder,
  changed: Decoder,
  windows: readonly ScoredInputs[],
  options: Pick<WaveOptions, 'signal' | 'onStep'>,
): Promise<BlockErrors> {
  const tokens = joinArrays(
    Int32Array,
    windows.map(({ inputs }) => inputs),
  );
  const states = await original.embed(tokens, options.signal);
  const { length } = states;
  // Both go through the changed block together, so that its weights are computed once.
  const both = new Float32Array(2 * length);
  both.set(await changed.embed(tokens, options.signal), length);
  const [own, accumulated] = [both.subarray(0, length), both.subarray(length)];
  const blocks = [];
  for (const [index, block] of original.shape.blocks.entries()) {
    own.set(states);
    await changed.advanceBlock(changed.shape.blocks[index]!, both, options);
    await original.advanceBlock(block, states, options);
    blocks.push({
      block: index,
      own: relativeError(own, states, original.shape),
      accumulated: relativeError(accumulated, states, original.shape),
    });
  }
  const normed = await original.normalize(states, options.signal);
  const changedNormed = await changed.normalize(accumulated, options.signal);
  const { hiddenSize } = original.shape;
  const output = relativeError(changedNormed, normed, { hiddenSize, stateSize: hiddenSize });
  const scored = scoredOf(windows, changedNormed, hiddenSize, 0);
  const base = scoredOf(windows, normed, hiddenSize, 0).states;
  const read = (first: number, target: Float32Array): Promise<void> => {
    target.set(base.subarray(first * hiddenSize, first * hiddenSize + target.length));
    return Promise.resolve();
  };
  const sums = await sumLogits(changed, scored, { decoder: original, read }, options);
  return { blocks, output, losses: tokenLosses(sums), divergences: tokenDivergences(sums) };
}

/** Of the hidden states, in all streams of them; what else blocks hand on does not count. */
function relativeError(
  values: Float32Array,
  original: Float32Array,
  { hiddenSize, stateSize, carried }: Pick<DecoderShape, 'hiddenSize' | 'stateSize' | 'carried'>,
): number {
  const counted = (carried?.streams ?? 1) * hiddenSize;
  let [error, energy] = [0, 0];
  for (let token = 0; token < values.length; token += stateSize)
    for (let i = token; i < token + counted; i++) {
      error += (values[i]! - original[i]!) ** 2;
      energy += original[i]! ** 2;
    }
  return error === 0 ? 0 : error / energy;
}
