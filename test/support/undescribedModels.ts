import type { KeyValue } from '../../src/model/keyValue';
import type { SyntheticModel } from './syntheticGguf';

/**
 * Models of architectures of llama.cpp without a description here, with its names of keys and tensors: state-space models and
 * hybrids, linear attention, an encoder with a decoder, fused and biased attention, experts under their own names.
 */
interface Undescribed {
  /** Matrices of a block. */
  readonly parts: readonly string[];
  /** Other tensors of a block: its weights in a name of its own, shapes with the outermost dimension first. */
  readonly more?: Readonly<Record<string, readonly number[]>>;
  readonly extra?: Readonly<Record<string, readonly number[]>>;
  readonly keys?: Readonly<Record<string, number | boolean>>;
  readonly experts?: number;
}

const attention = ['attn_q', 'attn_k', 'attn_v', 'attn_output'];
const fused = ['attn_qkv', 'attn_output'];
const gated = ['ffn_gate', 'ffn_up', 'ffn_down'];
const plain = ['ffn_up', 'ffn_down'];
const experts = {
  'ffn_gate_inp.weight': [4, 256],
  ...Object.fromEntries(gated.map((name) => [`${name}_exps.weight`, [4, 2, 256]])),
};
const vector = [256];
const ssmKeys = {
  'ssm.conv_kernel': 4,
  'ssm.inner_size': 512,
  'ssm.state_size': 16,
  'ssm.time_step_rank': 16,
};
const ssm = {
  'ssm_conv1d.weight': [512, 4],
  'ssm_conv1d.bias': [512],
  'ssm_dt.bias': [512],
  ssm_a: [512, 16],
  ssm_d: [512],
};

const models: Readonly<Record<string, Undescribed>> = {
  mamba: {
    parts: ['ssm_in', 'ssm_x', 'ssm_dt', 'ssm_out'],
    more: { 'attn_norm.weight': vector, ...ssm },
    keys: ssmKeys,
  },
  jamba: {
    parts: [...attention, ...gated, 'ssm_in', 'ssm_x', 'ssm_dt', 'ssm_out'],
    more: { ...ssm, 'ssm_dt_norm.weight': [16], 'ssm_b_norm.weight': [16], 'ssm_c_norm.weight': [16] },
    keys: ssmKeys,
  },
  rwkv6: {
    parts: [
      ...['time_mix_receptance', 'time_mix_key', 'time_mix_value', 'time_mix_gate', 'time_mix_output'],
      ...['channel_mix_receptance', 'channel_mix_key', 'channel_mix_value'],
    ],
    more: {
      'time_mix_w1.weight': [160, 256],
      'time_mix_w2.weight': [5, 256, 32],
      'time_mix_first.weight': [4, 64],
      'time_mix_decay_w1.weight': [64, 256],
      'time_mix_decay_w2.weight': [256, 64],
      'time_mix_lerp_fused.weight': [5, 1, 1, 256],
    },
    keys: {
      'wkv.head_size': 64,
      time_mix_extra_dim: 32,
      time_decay_extra_dim: 64,
      rescale_every_n_layers: 6,
    },
  },
  rwkv7: {
    parts: ['time_mix_receptance', 'time_mix_key', 'time_mix_value', 'time_mix_output', 'channel_mix_key'],
    more: { 'time_mix_w0.weight': vector, 'time_mix_a1.weight': [64, 256], 'time_mix_r_k.weight': [4, 64] },
    keys: {
      'wkv.head_size': 64,
      'attention.decay_lora_rank': 64,
      'attention.iclr_lora_rank': 64,
      'attention.value_residual_mix_lora_rank': 32,
      'attention.gate_lora_rank': 128,
    },
  },
  bloom: {
    parts: [...fused, ...plain],
    more: { 'attn_qkv.bias': [2], 'attn_norm.bias': vector, 'ffn_up.bias': [2] },
    extra: { 'token_embd_norm.weight': vector, 'token_embd_norm.bias': vector },
  },
  mpt: { parts: [...fused, ...plain], keys: { 'attention.max_alibi_bias': 8 } },
  baichuan: { parts: [...attention, ...gated] },
  qwen: { parts: [...fused, ...gated], more: { 'attn_qkv.bias': [2] } },
  internlm2: { parts: [...attention, ...gated] },
  xverse: { parts: [...attention, ...gated] },
  orion: { parts: [...attention, ...gated], more: { 'attn_norm.bias': vector, 'ffn_norm.bias': vector } },
  codeshell: { parts: [...fused, ...plain], more: { 'attn_output.bias': [2], 'ffn_down.bias': [2] } },
  refact: { parts: [...attention, ...gated] },
  bitnet: {
    parts: [...attention, ...gated],
    more: { 'attn_sub_norm.weight': vector, 'ffn_sub_norm.weight': vector, 'attn_q.scale': [1] },
  },
  minicpm3: {
    parts: ['attn_q_a', 'attn_q_b', 'attn_kv_a_mqa', 'attn_kv_b', 'attn_output', ...gated],
    more: { 'attn_q_a_norm.weight': vector, 'attn_kv_a_norm.weight': vector },
    keys: { 'attention.q_lora_rank': 256, 'attention.kv_lora_rank': 256 },
  },
  arctic: { parts: [...attention, ...gated], more: experts, experts: 4 },
  dbrx: { parts: fused, more: experts, experts: 4, keys: { 'attention.clamp_kqv': 8 } },
  grok: {
    parts: attention,
    more: { ...experts, 'layer_output_norm.weight': vector, 'attn_output_norm.weight': vector },
    experts: 4,
    keys: { expert_feed_forward_length: 256 },
  },
};

/** Blocks of each: enough that llama.cpp treats some of them otherwise. */
const blocks = 8;

/** By `general.architecture`. */
export const undescribedModels: Readonly<Record<string, SyntheticModel>> = Object.fromEntries(
  Object.entries(models).map(
    ([architecture, { parts, more = {}, extra = {}, keys = {}, experts: count }]) => [
      architecture,
      {
        ...{ architecture, blocks, parts, heads: 4, kvHeads: 4 },
        keyValues: [
          ...Object.entries(keys).map(([key, value]) => keyValue(`${architecture}.${key}`, value)),
          ...(count === undefined
            ? []
            : [
                keyValue(`${architecture}.expert_count`, count),
                keyValue(`${architecture}.expert_used_count`, 2),
              ]),
        ],
        extra: { ...extra, ...inBlocks(more) },
      },
    ],
  ),
);

function keyValue(key: string, value: number | boolean): KeyValue {
  if (typeof value === 'boolean') return { key, type: 'bool', value };
  return /alibi|clamp/.test(key) ? { key, type: 'f32', value } : { key, type: 'u32', value };
}

function inBlocks(
  shapes: Readonly<Record<string, readonly number[]>>,
): Readonly<Record<string, readonly number[]>> {
  const all = Array.from({ length: blocks }, (_, block) =>
    Object.entries(shapes).map(([name, shape]) => [`blk.${block}.${name}`, shape] as const),
  );
  return Object.fromEntries(all.flat());
}
