import type { MixerKind } from './forward';

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
