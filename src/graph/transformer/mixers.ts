import type { Value } from '../onnxWriter';
import { attention } from './attention';
import type { BlockShape, Mixer } from './blockShape';
import type { GraphParts } from './graphParts';
import type { Sequence } from './sequence';
import type { Span } from './span';

/** Graph of a mixer: the block's normed states `[n, hidden]`, whole windows one below the other, → what is added to them, alike. */
type MixerGraph<M extends Mixer> = (
  parts: GraphParts,
  block: BlockShape,
  mixer: M,
  tokens: Span | Sequence,
  x: Value,
) => Value;

const graphs: { readonly [K in Mixer['kind']]: MixerGraph<Extract<Mixer, { readonly kind: K }>> } = {
  attention: (parts, block, _, tokens, x) => parts.linear(attention(parts, block, tokens, x), 'attn_output'),
};

/** What all mixers of a block add to its states; nothing where it has none. */
export function mixed(
  parts: GraphParts,
  block: BlockShape,
  tokens: Span | Sequence,
  x: Value,
): Value | undefined {
  const values = block.mixers.map((mixer) => graphs[mixer.kind](parts, block, mixer, tokens, x));
  return values.length === 0 ? undefined : values.reduce((sum, value) => parts.ops.add(sum, value));
}
