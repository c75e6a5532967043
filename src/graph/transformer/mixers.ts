import { handsOnMore, otherStates } from '../../architectures/otherStates';
import { QuantscopeError } from '../../model/errors';
import type { Value } from '../onnxWriter';
import { attention } from './attention';
import type { BlockShape, Mixer } from './blockShape';
import { convolvedStates } from './convolution';
import { deltaStates, gatedDelta } from './gatedDelta';
import type { GraphParts } from './graphParts';
import { latentAttention, latentSizes } from './latentAttention';
import { mamba2, mamba2States } from './mamba2';
import type { Sequence } from './sequence';
import { shortConvolution } from './shortConvolution';
import type { Span } from './span';

/** Dimensions of states by the name of a graph's output; the graph of the next token takes them as `past_NAME`. */
export type KeptStates = Readonly<Record<string, readonly number[]>>;

/** A mixer of a kind in graphs. */
interface MixerGraph<M extends Mixer> {
  /** The block's normed states `[n, hidden]`, whole windows one below the other, → what is added to them, alike. */
  readonly graph: (parts: GraphParts, block: BlockShape, mixer: M, tokens: TokensOf<M>, x: Value) => Value;
  /** What it keeps of so many tokens of a text for the next one. */
  readonly kept: (block: BlockShape, mixer: M, positions: number) => KeptStates;
}

/** Only those that keep keys and values take texts of any length, as graphs of whole models have them. */
type SequenceKind = 'attention' | 'latentAttention';
type TokensOf<M extends Mixer> = M['kind'] extends SequenceKind ? Span | Sequence : Span;

const mixers: { readonly [K in Mixer['kind']]: MixerGraph<Extract<Mixer, { readonly kind: K }>> } = {
  attention: {
    graph: (parts, block, _, tokens, x) => parts.linear(attention(parts, block, tokens, x), 'attn_output'),
    kept: (block, _, positions) => keysAndValues(block, positions),
  },
  latentAttention: {
    graph: latentAttention,
    kept: (block, mixer, positions) => keysAndValues(latentSizes(block, mixer), positions),
  },
  mamba2: {
    graph: (parts, _block, mixer, span, x) => mamba2(parts, mixer, span, x),
    kept: (_, mixer) => mamba2States(mixer),
  },
  shortConvolution: {
    graph: (parts, _block, _, span, x) => shortConvolution(parts, span, x),
    kept: ({ tensors }) => ({ convolved: convolvedStates(tensors.get('shortconv.conv.weight')!) }),
  },
  gatedDelta: {
    graph: (parts, _, mixer, span, x) => gatedDelta(parts, mixer, span, x),
    kept: ({ tensors }, mixer) => ({
      convolved: convolvedStates(tensors.get('ssm_conv1d.weight')!),
      state: deltaStates(mixer),
    }),
  },
};

function keysAndValues(
  { kvHeads, headSize, valueSize = headSize }: Pick<BlockShape, 'kvHeads' | 'headSize' | 'valueSize'>,
  positions: number,
): KeptStates {
  const dims = (size: number): number[] => [1, kvHeads, positions, size];
  return { key: dims(headSize), value: dims(valueSize) };
}

/** What all mixers of a block add to its states; nothing where it has none. */
export function mixed(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  x: Value,
): Value | undefined {
  const values = block.mixers.map((mixer) => added(mixer, parts, block, tokens, x));
  return values.length === 0 ? undefined : values.reduce((sum, value) => parts.ops.add(sum, value));
}

function added<M extends Mixer>(
  mixer: M,
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  x: Value,
): Value {
  const { graph } = mixers[mixer.kind] as unknown as MixerGraph<M>;
  return graph(parts, block, mixer, tokens as TokensOf<M>, x);
}

/** What a block keeps of so many tokens of a text for the next one. */
export const keptStates = (block: BlockShape, positions: number): KeptStates =>
  Object.assign(
    {},
    ...block.mixers.map(<M extends Mixer>(mixer: M) =>
      (mixers[mixer.kind] as unknown as MixerGraph<M>).kept(block, mixer, positions),
    ),
  ) as KeptStates;

/**
 * That texts of any length go through a model in one graph.
 * @throws QuantscopeError UNSUPPORTED for blocks that keep other states than keys and values, or hand on more than hidden states.
 */
export function refuseOtherStates(blocks: readonly BlockShape[], file: string): void {
  const kinds = blocks.flatMap(({ mixers: own }) => own.map(({ kind }) => kind));
  const reason = blocks.some(({ carried }) => carried) ? handsOnMore : otherStates(kinds);
  if (reason !== undefined) throw new QuantscopeError('UNSUPPORTED', reason, { file });
}
