import { blockBackward, normBackward, roomAtInput } from '../graph/transformer/backwardPass';
import type { ProductGradients } from '../graph/transformer/gradientReports';
import { isClosed } from '../graph/transformer/closing';
import type { Decoder } from '../graph/transformer/decoder';
import type { BlockShape } from '../graph/transformer/blockShape';
import { floatTensor, output } from '../graph/transformer/graphLoader';
import { turn } from '../graph/transformer/pass';
import { clear, type States } from '../graph/transformer/states';
import { throwIfCancelled } from '../model/errors';
import { GradientSums, type OutputGradients } from './gradientSums';
import { joinArrays } from './joinArrays';
import { OwnInputSamples } from './ownInputs';
import { sampleLabels, type SampledLabels } from './labels';
import { embedWindows, type WaveOptions } from './scoring';
import type { ScoredInputs } from './windows';
import { said } from '../protocol/said';

export interface ForwardOptions extends Pick<WaveOptions, 'signal' | 'onStep' | 'windowsAtOnce'> {
  /** Room for the states of all windows, of which `statesOfBackward` are held. */
  readonly room: (tokens: number) => States;
}

export interface BackwardOptions extends ForwardOptions {
  /**
   * Receives the sums of a matrix as soon as its block is left, or its expert; the output matrix comes first, the first block last.
   */
  readonly onOutput?: (found: OutputGradients) => Promise<void>;
  /** Receives what each run gave of a matrix of a block. */
  readonly onProduct?: (found: ProductGradients) => Promise<void>;
  /** Receives the gradients at the input of a block, of all tokens; valid until it returns. */
  readonly onBlockInput?: (block: number, gradients: States) => Promise<void>;
}

/**
 * Sets of states that a backward pass holds at the same time: the inputs of all blocks, and three more; two more for experts, two where a block ends after these, and one where
 * states between blocks are wider than hidden ones.
 */
export const statesOfBackward = ({ shape: { blocks, hiddenSize, stateSize } }: Decoder): number =>
  blocks.length +
  3 +
  (blocks.some(({ experts }) => experts) ? 2 : 0) +
  (blocks.some(isClosed) ? 2 : 0) +
  (stateSize > hiddenSize ? 1 : 0);

/**
 * One backward pass over windows of a text: gradients of −Σ ln p(label) over the scored tokens, where each label is drawn from the model's
 * own distribution. Their covariance at a value is the Fisher information there: half of it is the curvature of the KL divergence
 * (Martens 2020, section 5). The forward pass keeps the input of each block; each block is computed again when gradients pass it, so that
 * no more than the values of one block and one run are held.
 * @param windows all of the decoder's length.
 * @returns the labels, window after window.
 * @throws QuantscopeError UNSUPPORTED naming an operator that gradients cannot pass.
 */
export async function backward(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  options: BackwardOptions,
): Promise<SampledLabels> {
  const kept: States[] = [];
  const { signal } = options;
  try {
    const states = await forwardKeeping(decoder, windows, kept, options);
    const targets = joinArrays(
      Int32Array,
      windows.map((window) => window.targets),
    );
    const labels = await sampleLabels(decoder, states, (token) => targets[token]! >= 0, signal);
    const gradients = keep(kept, states.another());
    await outputBackward(decoder, states, gradients, labels, options);
    const last = kept[decoder.shape.blocks.length]!;
    const to = roomAtInput(last, gradients);
    if (to !== gradients) kept.push(to);
    await normBackward(decoder, last, { gradients, to }, { signal });
    if (!decoder.keeps) await decoder.release();
    for (const block of decoder.shape.blocks.toReversed()) {
      await outputsBackward(decoder, block, kept[block.index]!, to, options);
      await options.onBlockInput?.(block.index, to);
    }
    return labels;
  } finally {
    for (const states of kept) states.close();
  }
}

/** Through a block, whose experts come one after the other: the sums of each are handed over before those of the next begin. */
async function outputsBackward(
  decoder: Decoder,
  block: BlockShape,
  inputs: States,
  gradients: States,
  options: BackwardOptions,
): Promise<void> {
  let sums = new GradientSums();
  const handOver = async (): Promise<void> => {
    for (const found of sums.finish()) await options.onOutput?.(found);
    sums = new GradientSums();
  };
  const receive = async (found: ProductGradients): Promise<void> => {
    if (options.onOutput) await sums.add(found, options.signal);
    await options.onProduct?.(found);
  };
  await blockBackward(decoder, block, inputs, gradients, {
    ...options,
    receiver: { kind: 'outputs', receive, complete: handOver },
  });
}

/** Runs windows through the model. `kept` receives all states: those before each block, then before the last norm. @returns those after it. */
export async function forwardKeeping(
  decoder: Decoder,
  windows: readonly ScoredInputs[],
  kept: States[],
  { room, windowsAtOnce, signal, onStep }: ForwardOptions,
): Promise<States> {
  const states = room(windows.length * decoder.length);
  const { blocks } = decoder.shape;
  try {
    await embedWindows(decoder, windows, states, { windowsAtOnce, signal });
    for (const block of blocks) {
      copy(decoder, states, keep(kept, states.another()));
      await decoder.advanceBlock(block, states, { signal, onStep });
    }
    copy(decoder, states, keep(kept, states.another()));
    if (!decoder.keeps) await decoder.release();
    return await decoder.normalize(states, signal);
  } finally {
    kept.push(states);
  }
}

function keep(kept: States[], states: States): States {
  kept.push(states);
  return states;
}

function copy(decoder: Decoder, from: States, to: States): void {
  for (const { first, piece } of decoder.pieces(from)) to.write(first, piece);
}

/** The gradients at the states after the last norm, summed over slices of the vocabulary. */
async function outputBackward(
  decoder: Decoder,
  states: States,
  gradients: States,
  { labels, normalizers }: SampledLabels,
  { signal, onStep, onOutput }: BackwardOptions,
): Promise<void> {
  const { vocabulary, output: tensor, hiddenSize } = decoder.shape;
  const samples = new OwnInputSamples(vocabulary);
  clear(gradients, decoder.tokensPerRun);
  for (const slice of decoder.vocabularySlices()) {
    const source = decoder.sources.logitsGradient(slice.first, slice.count);
    await decoder.graphs.using(source, signal, async (graph) => {
      for (const { first, piece } of decoder.pieces(states)) {
        throwIfCancelled(signal);
        const tokens = piece.length / hiddenSize;
        const own = Float32Array.from(labels.subarray(first, first + tokens), (label) => label - slice.first);
        const outputs = await graph.run({
          x: decoder.tensor(piece),
          normalizer: floatTensor(normalizers.subarray(first, first + tokens), [tokens, 1]),
          label: floatTensor(own, [tokens, 1]),
        });
        gradients.write(first, sum(gradients.read(first, tokens), output(outputs, 'grad_x')));
        samples.add(first, slice, output(outputs, 'variance'));
        onStep?.(said`gradients of the output`);
        await turn();
      }
    });
  }
  const scored = labels.reduce((count, label) => count + (label >= 0 ? 1 : 0), 0);
  const { diagonal, ...own } = samples.finish();
  const inputs = { columns: hiddenSize, tokens: states.tokens, pieces: () => decoder.pieces(states) };
  await onOutput?.({ tensor, tokens: scored, diagonal, own: { ...own, inputs } });
}

const sum = (a: Float32Array, b: Float32Array): Float32Array => a.map((value, i) => value + b[i]!);
