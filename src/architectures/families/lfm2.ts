import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, type Decoder } from '../decoder';
import { attentionParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { expertParts } from '../experts';
import { f32, gatingFunctions, u32, u32s } from '../keyValues';
import { layerTypes } from '../layerTypes';
import { readTheta, refuseFactors } from '../rope';

const forward = {
  rotation: 'halves',
  activation: 'silu',
  mixers: ['attention', 'shortConvolution'],
  lastNorm: 'token_embd_norm',
} as const;

/** LFM2: short gated convolutions, and attention with norms of heads in some layers. */
export const lfm2: ArchitectureDescription = {
  name: 'lfm2',
  family: 'LFM2',
  classes: { Lfm2ForCausalLM: 'lfm2' },
  forward,
  convert(config) {
    // Older files state the size under another name, which takes precedence.
    const size = config.integer(config.spelled('block_ff_dim', 'intermediate_size'), 12288);
    config.known('intermediate_size');
    const decoder = readLfm2(config, 2560, size);
    return conversion(config, { ...decoder, feedForwardSize: adjustedSize(config, size) }, 'all');
  },
};

/** LFM2 with experts after some dense blocks, scored by sigmoid with a bias. */
export const lfm2moe: ArchitectureDescription = {
  name: 'lfm2moe',
  family: 'LFM2 with experts',
  classes: { Lfm2MoeForCausalLM: 'lfm2_moe' },
  forward: { ...forward, normalizedExperts: true, ownParts: ['exp_probs_b.bias'] },
  convert(config) {
    config.expect('use_expert_bias', true, true);
    config.expect('norm_topk_prob', true, true);
    config.expect('routed_scaling_factor', 1, 1);
    const size = config.integer('intermediate_size', 7168);
    return conversion(config, readLfm2(config, 2048, size), config.integer('num_dense_layers', 2, 0));
  },
};

function readLfm2(config: ConfigReader, hiddenSize: number, feedForwardSize: number): Decoder {
  config.expect('conv_bias', false, false);
  config.known(...implied);
  const decoder = readDecoder(config, {
    blocks: 32,
    ...{ hiddenSize, feedForwardSize },
    heads: 32,
    kvHeads: 8,
    contextLength: 128_000,
    ropeTheta: config.has('theta') ? readTheta(config, config.number('theta')) : 1_000_000,
    tied: config.flag('tie_embedding', true),
  });
  refuseFactors(config, decoder.rope);
  return { ...decoder, feedForwardSize };
}

/** What older files repeat under other names. */
const implied = [
  ...['block_dim', 'conv_dim', 'conv_dim_out', 'num_heads', 'block_mlp_init_scale', 'block_norm_eps'],
  ...['block_out_init_scale', 'block_use_swiglu', 'block_use_xavier_init', 'conv_use_xavier_init'],
];

/** The size of feed-forward networks is two thirds of what is stated, rounded up to a multiple, unless config.json says otherwise. */
function adjustedSize(config: ConfigReader, feedForwardSize: number): number {
  const multiple = config.integer('block_multiple_of', 256);
  const factor = config.isNull('block_ffn_dim_multiplier') ? 1 : config.number('block_ffn_dim_multiplier', 1);
  if (!config.flag('block_auto_adjust_ff_dim', true)) return feedForwardSize;
  const size = Math.trunc(factor * Math.trunc((2 * feedForwardSize) / 3));
  return multiple * Math.ceil(size / multiple);
}

/** @param dense so many blocks at the start have no experts. */
function conversion(config: ConfigReader, decoder: Decoder, dense: number | 'all'): Conversion {
  const { blocks, hiddenSize, kvHeads, tied } = decoder;
  const attends = attentionLayers(config, blocks);
  const kernel = config.integer('conv_L_cache', 3, 2);
  const experts = dense === 'all' ? undefined : readExperts(config, decoder, dense);
  const network = networkParts(decoder);
  return {
    prefixes: ['model.'],
    ignored: usualIgnored,
    ...tiedOutput(decoder),
    keyValues: [
      ...decoderKeyValues(decoder).map((pair) =>
        pair.key === 'attention.head_count_kv'
          ? u32s(
              pair.key,
              attends.map((own) => (own ? kvHeads : 0)),
            )
          : pair,
      ),
      f32('attention.layer_norm_rms_epsilon', config.number('norm_eps', 1e-5)),
      u32('shortconv.l_cache', kernel),
      ...(experts?.keyValues ?? []),
    ],
    tensors: [
      ...partRules([
        { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
        { from: 'embedding_norm', to: 'token_embd_norm', shape: [hiddenSize] },
        ...(tied ? [] : [{ from: 'lm_head', to: 'output', shape: ['any', hiddenSize] } as const]),
      ]),
      blockRules('layers', blocks, (block) => [
        { from: 'operator_norm', to: 'attn_norm', shape: [hiddenSize] },
        ...(attends[block] ? headParts(decoder) : convolutionParts(hiddenSize, kernel)),
        { from: 'ffn_norm', to: 'ffn_norm', shape: [hiddenSize] },
        ...(dense === 'all' || block < dense ? network : experts!.parts),
      ]),
    ],
  };
}

/** By layer, whether it has attention. @throws QuantscopeError UNSUPPORTED for other kinds of layers, MODEL_FILE for too short a list. */
function attentionLayers(config: ConfigReader, blocks: number): boolean[] {
  const indices = config.list('full_attn_idxs');
  const types = layerTypes(config, blocks, ['full_attention', 'conv'], (layer) =>
    !indices || indices.includes(layer) ? 'full_attention' : 'conv',
  );
  return types.map((type) => type === 'full_attention');
}

function headParts(decoder: Decoder): Part[] {
  const { headSize } = decoder;
  return [
    ...attentionParts(decoder).map((part) =>
      part.to === 'attn_output' ? { ...part, from: 'self_attn.out_proj' } : part,
    ),
    { from: 'self_attn.q_layernorm', to: 'attn_q_norm', shape: [headSize] },
    { from: 'self_attn.k_layernorm', to: 'attn_k_norm', shape: [headSize] },
  ];
}

/** Two gates and the input of the convolution come from one matrix. */
const convolutionParts = (hiddenSize: number, kernel: number): Part[] => [
  { from: 'conv.in_proj', to: 'shortconv.in_proj', shape: [3 * hiddenSize, hiddenSize] },
  {
    ...{ from: 'conv.conv', to: 'shortconv.conv', shape: [hiddenSize, kernel] },
    rule: { sourceShape: [hiddenSize, 1, kernel] },
  },
  { from: 'conv.out_proj', to: 'shortconv.out_proj', shape: [hiddenSize, hiddenSize] },
];

const networkParts = ({ hiddenSize, feedForwardSize: size }: Decoder): Part[] => [
  { from: 'feed_forward.w1', to: 'ffn_gate', shape: [size, hiddenSize] },
  { from: 'feed_forward.w3', to: 'ffn_up', shape: [size, hiddenSize] },
  { from: 'feed_forward.w2', to: 'ffn_down', shape: [hiddenSize, size] },
];

function readExperts(config: ConfigReader, { hiddenSize }: Decoder, dense: number) {
  const count = config.count('num_experts', 32);
  const size = config.integer('moe_intermediate_size', 1792);
  const experts = 'feed_forward.experts';
  const parts: Part[] = [
    { from: 'feed_forward.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
    { from: 'feed_forward.expert_bias', to: 'exp_probs_b.bias', shape: [count], exact: true },
    ...expertParts({ count, size, hiddenSize }, (expert) => ({
      gate: `${experts}.${expert}.w1`,
      up: `${experts}.${expert}.w3`,
      down: `${experts}.${expert}.w2`,
    })),
  ];
  const keyValues = [
    u32('expert_count', count),
    u32('expert_used_count', config.integer('num_experts_per_tok', 4)),
    u32('expert_feed_forward_length', size),
    u32('leading_dense_block_count', dense),
    u32('expert_gating_func', gatingFunctions.sigmoid),
  ];
  return { parts, keyValues };
}
