import * as l10n from '@vscode/l10n';
import type { TensorKind } from '../../src/protocol/tensorTable';
import { partOfRole, type KnownPart, type PlacedTensor } from '../../src/protocol/parts';

/** A part of one block: its weight, or the weights of its experts. */
export interface BlockPart extends KnownPart {
  readonly role: string;
  /** The tensor that it opens, by its place in the table: the weight, of experts the first. */
  readonly index: number;
  readonly kind: TensorKind;
  /** How many experts have such a tensor; 1 where there are none. */
  readonly experts: number;
  /** Of all its tensors together. */
  readonly bitsPerWeight: number;
}

/** Blocks with the same parts. */
export interface BlockKind {
  /** "32 × attention", "3 × attention, dense". */
  readonly label: string;
  readonly stack: string;
  /** Numbers of the blocks, ascending. */
  readonly layers: readonly number[];
}

/** What checkpoints of older versions keep besides weights: masks, and frequencies of rotations. */
const buffer = /(^|\.)(inv_freq|masked_bias|attn|attention)$/;

/** Kinds of blocks of a model, the main stack's first, then in the order of their first block. */
export function blockKinds(placed: readonly PlacedTensor[]): BlockKind[] {
  const stacks = new Map<string, { bytes: number; roles: Map<number, Set<string>> }>();
  for (const { place, layer, kind } of placed) {
    const { stack, role } = place;
    if (stack === undefined || buffer.test(role)) continue;
    const known = stacks.get(stack) ?? { bytes: 0, roles: new Map<number, Set<string>>() };
    stacks.set(stack, known);
    known.bytes += kind.byteLength;
    const roles = known.roles.get(layer) ?? new Set();
    known.roles.set(layer, roles.add(role));
  }
  return [...stacks]
    .sort(([, a], [, b]) => b.bytes - a.bytes)
    .filter(([, { roles }], index) => index === 0 || roles.size > 1)
    .flatMap(([stack, { roles }], index) => kindsOf(stack, roles, index > 0));
}

function kindsOf(
  stack: string,
  rolesOf: ReadonlyMap<number, ReadonlySet<string>>,
  isNamed: boolean,
): BlockKind[] {
  const kinds = new Map<string, number[]>();
  for (const [layer, roles] of [...rolesOf].sort(([a], [b]) => a - b)) {
    const signature = [...roles].sort().join('\n');
    const layers = kinds.get(signature);
    if (layers) layers.push(layer);
    else kinds.set(signature, [layer]);
  }
  const found = [...kinds].map(([signature, layers]) => ({ layers, ids: idsOf(signature.split('\n')) }));
  const words = found.map(({ ids }) =>
    wordsOf(
      ids,
      found.map((other) => other.ids),
    ),
  );
  return found.map(({ layers }, index) => {
    const own = words[index]!;
    const isAmbiguous = words.indexOf(own) !== words.lastIndexOf(own);
    const from = isAmbiguous ? l10n.t(', from layer {0}', layers[0]!) : '';
    return {
      ...{ stack, layers },
      label: `${isNamed ? `${stack}: ` : ''}${layers.length} × ${own}${from}`,
    };
  });
}

type Ids = ReadonlySet<string>;
const idsOf = (roles: readonly string[]): Ids => new Set(roles.map((role) => partOfRole(role).id));

/** What mixes tokens, by the parts that say so; the first that is there counts. */
const mixers: readonly (readonly [string, string])[] = [
  ['kvA', l10n.t('latent attention')],
  ['q', l10n.t('attention')],
  ['stateDecay', l10n.t('state space')],
  ['qkv', l10n.t('attention')],
  ['stateConv', l10n.t('short convolution')],
  ['timeOut', l10n.t('time mixing')],
];
const mixerOf = (ids: Ids): string | undefined => {
  const [id, name] = mixers.find(([part]) => ids.has(part)) ?? [];
  return name !== undefined && id !== 'stateDecay' && ids.has('stateDecay')
    ? l10n.t('{0} and state space', name)
    : name;
};
const feedForwardOf = (ids: Ids): 'experts' | 'dense' | undefined =>
  ids.has('router') ? 'experts' : ids.has('ffnDown') || ids.has('channelValue') ? 'dense' : undefined;

/** A feed-forward part beside a mixer, and where a block is nothing else. */
const feedForwardWords = {
  experts: { beside: l10n.t('experts'), alone: l10n.t('experts') },
  dense: { beside: l10n.t('dense'), alone: l10n.t('feed-forward') },
} as const;

/** What blocks of a kind do, with as many words as tell the kinds apart. */
function wordsOf(ids: Ids, all: readonly Ids[]): string {
  const [mixer, feedForward] = [mixerOf(ids), feedForwardOf(ids)];
  if (mixer === undefined) return feedForward ? feedForwardWords[feedForward].alone : l10n.t('other');
  const isMixed = new Set(all.filter((other) => mixerOf(other)).map(feedForwardOf)).size > 1;
  return isMixed && feedForward ? l10n.t('{0}, {1}', mixer, feedForwardWords[feedForward].beside) : mixer;
}

/** The parts of one block, in the order of its forward pass. Biases and the like are not parts of their own. */
export function partsOfBlock(
  placed: readonly PlacedTensor[],
  { stack }: Pick<BlockKind, 'stack'>,
  layer: number,
): BlockPart[] {
  const byRole = new Map<string, PlacedTensor[]>();
  for (const item of placed) {
    const { role } = item.place;
    if (item.place.stack !== stack || item.layer !== layer || buffer.test(role)) continue;
    const known = byRole.get(role);
    if (known) known.push(item);
    else byRole.set(role, [item]);
  }
  const parts = [...byRole].map(([role, items]) => partOf(role, items));
  const gemmaLike = parts.some(({ role }) => role === 'pre_feedforward_layernorm');
  return parts
    .map((one) =>
      gemmaLike && one.role === 'post_attention_layernorm' ? { ...one, ...afterAttention } : one,
    )
    .map((one) =>
      one.column === 8 && isOfFeedForward(one.role) ? { ...one, row: 'feedForward' as const } : one,
    )
    .sort((a, b) => a.column - b.column || a.order - b.order);
}

/** A norm of the name that others give to the one before the feed-forward part. */
const afterAttention = { id: 'attnPostNorm', label: l10n.t('post norm'), row: 'mixer', column: 9 } as const;

const isOfFeedForward = (role: string): boolean => /mlp|ffn|expert|feed/.test(role);

function partOf(role: string, items: readonly PlacedTensor[]): BlockPart {
  const weights = items.filter(({ place }) => !/\.(bias|scale)$/.test(place.glob));
  const { index, kind, place } = (weights.length > 0 ? weights : items).reduce((most, item) =>
    item.kind.elements > most.kind.elements ? item : most,
  );
  const elements = items.reduce((sum, item) => sum + item.kind.elements, 0);
  const bytes = items.reduce((sum, item) => sum + item.kind.byteLength, 0);
  const stacked = /exps$|experts\./.test(role) && kind.shape.length > 2 ? kind.shape[0]! : 1;
  return {
    ...{ ...partOfRole(role), role, index, kind },
    experts: place.isExpert ? weights.length : stacked,
    bitsPerWeight: elements === 0 ? 0 : (8 * bytes) / elements,
  };
}
