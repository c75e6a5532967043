import { layerNormEpsilon } from '../decoder';
import type { Part } from '../partRules';
import type { ConfigReader } from '../configReader';
import type { Conversion } from '../description';
import type { KeyValue } from '../../model/keyValue';
import { bool, u32 } from '../keyValues';

/** The numbers of an encoder: a model that embeds whole texts, without a cache of keys and values. */
export interface Encoder {
  readonly blocks: number;
  readonly hiddenSize: number;
  readonly feedForwardSize: number;
  readonly heads: number;
  readonly contextLength: number;
}

/**
 * The numbers of an encoder as key-values; each token sees all others.
 * @param epsilon key of config.json, and its default.
 */
export const encoderKeyValues = (
  config: ConfigReader,
  { blocks, hiddenSize, feedForwardSize, heads, contextLength }: Encoder,
  epsilon: readonly [string, number],
): KeyValue[] => [
  u32('context_length', contextLength),
  u32('embedding_length', hiddenSize),
  u32('block_count', blocks),
  u32('feed_forward_length', feedForwardSize),
  u32('attention.head_count', heads),
  layerNormEpsilon(config, ...epsilon),
  bool('attention.causal', false),
];

/** A layer norm with a bias. Old checkpoints of BERT call them gamma and beta. */
export const layerNormParts = (from: string, to: string, size: number): Part[] =>
  [
    ['weight', 'gamma'],
    ['bias', 'beta'],
  ].map(([name, old]) => ({
    from: `${from}.${name}`,
    to: `${to}.${name}`,
    shape: [size],
    exact: true,
    instead: { from: [`${from}.${old}`], sourceShape: [size] },
  }));

/** What a model that was trained on masked words has besides its encoder. */
export const maskedWordHead = {
  'head that predicts masked words': /^(cls|lm_head|head|decoder)\./,
} satisfies Conversion['leftOut'];
