import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import type { Decoder } from '../decoder';
import { attentionParts, headNormParts } from '../decoderParts';
import type { Part } from '../partRules';
import type { RowRange, Unit } from '../description';
import type { ForwardTraits } from '../forward';
import { shiftNorms } from './gemmaParts';
import { u32 } from '../keyValues';
import { layerTypes } from '../layerTypes';
import { said } from '../../protocol/said';

/**
 * Sizes of gated delta nets (Yang et al. 2024, "Gated Delta Networks"): linear attention whose heads of values share those of
 * queries and keys.
 */
export interface GatedDelta {
  readonly keyHeads: number;
  readonly valueHeads: number;
  /** Of keys and values alike. */
  readonly headSize: number;
  /** Tokens that the convolution before it sees. */
  readonly kernel: number;
  /** By layer, whether it has full attention instead. */
  readonly full: readonly boolean[];
  readonly keyValues: readonly KeyValue[];
}

/**
 * @throws QuantscopeError UNSUPPORTED where heads of keys and values differ in size, layers of full attention do not
 * repeat, or norms have another epsilon than lengths; MODEL_FILE for impossible numbers.
 */
export function readGatedDelta(config: ConfigReader, { blocks }: Decoder): GatedDelta {
  const keyHeads = config.count('linear_num_key_heads', 16);
  const valueHeads = config.count('linear_num_value_heads', 32);
  const headSize = config.integer('linear_key_head_dim', 128);
  config.expect('linear_value_head_dim', 128, headSize);
  if (valueHeads % keyHeads !== 0)
    throw config.wrong('linear_num_value_heads', `a multiple of ${keyHeads} heads of keys is needed`, 32);
  const kernel = config.integer('linear_conv_kernel_dim', 4);
  const { interval, full } = fullLayers(config, blocks);
  config.expect('rms_norm_eps', unitEpsilon, unitEpsilon);
  return {
    ...{ keyHeads, valueHeads, headSize, kernel, full },
    keyValues: [
      u32('ssm.conv_kernel', kernel),
      u32('ssm.state_size', headSize),
      u32('ssm.group_count', keyHeads),
      u32('ssm.time_step_rank', valueHeads),
      u32('ssm.inner_size', headSize * valueHeads),
      u32('full_attention_interval', interval),
    ],
  };
}

/** transformers adds it to the squares of queries and keys that it makes one long; llama.cpp takes that of the norms there. */
const unitEpsilon = 1e-6;

/** The usual number of layers in a group whose last one has full attention. */
const usualInterval = 4;

/** Which layers have full attention: by `layer_types`, else the last of each group. */
function fullLayers(config: ConfigReader, blocks: number): { interval: number; full: boolean[] } {
  const stated = config.integer('full_attention_interval', usualInterval);
  const isFull = (layer: number, interval: number): boolean => (layer + 1) % interval === 0;
  const types = layerTypes(config, blocks, ['full_attention', 'linear_attention'], (layer) =>
    isFull(layer, stated) ? 'full_attention' : 'linear_attention',
  );
  const full = types.map((type) => type === 'full_attention');
  const first = full.indexOf(true) + 1;
  const interval = [stated, first === 0 ? blocks + 1 : first].find((size) =>
    full.every((value, layer) => value === isFull(layer, size)),
  );
  if (interval !== undefined) return { interval, full };
  throw config.unsupported(
    said`Layers with full attention do not repeat in the order that GGUF can express: the last of each group of a fixed number.`,
  );
}

/** Attention whose queries come with a gate: a head's query, then its gate. */
export function gatedAttentionParts(decoder: Decoder): Part[] {
  const { hiddenSize, heads, headSize } = decoder;
  const parts = attentionParts(decoder).map((part) =>
    part.to === 'attn_q' ? { ...part, shape: [2 * heads * headSize, hiddenSize] } : part,
  );
  return [...parts, ...shiftNorms(headNormParts(headSize))];
}

/** What both orders of a delta net's rows have in common; `heads` puts rows of heads of values in the order of the file. */
export function deltaParts(
  { keyHeads, valueHeads, headSize, kernel }: GatedDelta,
  hiddenSize: number,
  { heads, output }: { heads?: (size: number, first?: number) => readonly RowRange[]; output?: Unit } = {},
): Part[] {
  const keys = 2 * keyHeads * headSize;
  const channels = keys + valueHeads * headSize;
  const each = heads ? { rows: heads(1) } : {};
  const mixed = heads ? { rows: [{ first: 0, count: keys }, ...heads(headSize, keys)] } : {};
  return [
    {
      ...{ from: 'linear_attn.conv1d', to: 'ssm_conv1d', shape: [channels, kernel] },
      rule: { sourceShape: [channels, 1, kernel], ...mixed },
    },
    {
      ...{ from: 'linear_attn.dt_bias', to: 'ssm_dt.bias', shape: [valueHeads], exact: true },
      rule: each,
    },
    {
      ...{ from: 'linear_attn.A_log', to: 'ssm_a', shape: [valueHeads], exact: true },
      rule: { ...each, map: '-exp' },
    },
    { from: 'linear_attn.norm', to: 'ssm_norm', shape: [headSize] },
    {
      ...{ from: 'linear_attn.out_proj', to: 'ssm_out', shape: [hiddenSize, valueHeads * headSize] },
      ...(output ? { rule: { unit: output } } : {}),
    },
  ];
}

/** How both compute: delta nets, gated attention, and the norm before the feed-forward network under the checkpoint's name. */
export const deltaForward = {
  rotation: 'halves',
  activation: 'silu',
  mixers: ['attention', 'gatedDelta'],
  gatedHeads: true,
  feedForwardNorm: 'post_attention_norm',
} as const satisfies ForwardTraits;
