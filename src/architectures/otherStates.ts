import type { ForwardTraits, MixerKind } from './forward';
import type { GgufView } from './ggufView';

/** Mixers whose states of a text are not keys and values, in words. */
const others: Readonly<Partial<Record<MixerKind, string>>> = {
  shortConvolution: 'short convolutions',
  gatedDelta: 'gated delta nets',
  mamba2: 'state spaces',
};

/** Why texts of any length do not go through a model with these mixers in one graph; undefined where they do. */
export function otherStates(kinds: Iterable<MixerKind>): string | undefined {
  const found = [...new Set(kinds)].flatMap((kind) => others[kind] ?? []);
  if (found.length === 0) return undefined;
  return `Its ${found.join(' and ')} keep other states of a text than keys and values; a graph of the whole model has no inputs and outputs for them.`;
}

/** Why texts do not go through a model in one graph whose blocks hand on more than hidden states. */
export const handsOnMore =
  'Its blocks hand on more than hidden states: streams of them, embeddings of layers, or keys and values; a graph of the whole model has none of these.';

/** Whether blocks of a model do. */
export function handsOn(
  { architecture, value }: Pick<GgufView, 'architecture' | 'value'>,
  traits: ForwardTraits,
): boolean {
  const states = (key: string): boolean => Number(value(`${architecture}.${key}`) ?? 0) > 0;
  if (traits.streams !== undefined || states('embedding_length_per_layer_input')) return true;
  return traits.firstSharing !== undefined && states('attention.shared_kv_layers');
}
