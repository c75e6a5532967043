import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import type { Decoder } from '../decoder';
import { attentionParts, tiedOutput } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { bool, f32, u32, u32s } from '../keyValues';
import {
  backboneParts,
  checkGroups,
  expectFreeSteps,
  mamba2KeyValues,
  mamba2Parts,
  type Mamba2,
} from './mamba2';
import { predictingPart } from '../textPart';
import { said } from '../../protocol/said';

const classes = { NemotronHForCausalLM: 'nemotron_h' };

const forward = {
  rotation: 'halves',
  // Attention has no positions.
  rotationPeriod: 1,
  activation: 'squaredRelu',
  mixers: ['attention', 'mamba2'],
  soleParts: true,
  feedForwardNorm: 'attn_norm',
} as const;

/** Nemotron-H and Nemotron Nano 2: each layer is a state space mixer, attention without positions, or a network with a squared ReLU. */
export const nemotronH: ArchitectureDescription = {
  name: 'nemotron_h',
  family: 'Nemotron-H, Nemotron Nano 2',
  classes,
  forward,
  fits: (config) => !kindsOf(config).includes('experts'),
  convert: (config) => convertLayers(config),
};

/** Nemotron 3: experts in place of the networks. */
export const nemotronHMoe: ArchitectureDescription = {
  name: 'nemotron_h_moe',
  family: 'Nemotron 3 Nano',
  classes,
  forward: { ...forward, gating: 'sigmoid', ownParts: ['exp_probs_b.bias'] },
  convert: (config) => convertLayers(config),
};

type Kind = 'mixer' | 'attention' | 'network' | 'experts';

/** Letters of `hybrid_override_pattern`, and names in the list that replaces it. */
const kinds: Readonly<Record<string, Kind>> = {
  ...{ M: 'mixer', '*': 'attention', '-': 'network', E: 'experts' },
  ...{ mamba: 'mixer', linear_attention: 'mixer', attention: 'attention', full_attention: 'attention' },
  ...{ mlp: 'network', moe: 'experts' },
};

function kindsOf(config: Readonly<Record<string, unknown>>): (Kind | undefined)[] {
  const pattern = config['hybrid_override_pattern'];
  const listed = config['layers_block_type'] ?? config['layer_types'];
  const names: readonly unknown[] =
    typeof pattern === 'string' ? [...pattern] : Array.isArray(listed) ? listed : [];
  return names.map((name) => kinds[String(name)]);
}

/** @throws QuantscopeError MODEL_FILE where there is no pattern, UNSUPPORTED for a kind of layer that is not known. */
function readKinds(config: ConfigReader): Kind[] {
  const key = 'hybrid_override_pattern';
  const list = config.spelled('layers_block_type', 'layer_types');
  const names: readonly unknown[] = config.has(key) ? [...config.text(key)] : (config.list(list) ?? []);
  config.known(key, 'layers_block_type', 'layer_types');
  if (names.length === 0) throw config.wrong(key, 'the kind of each layer is needed');
  config.expect('num_hidden_layers', names.length, names.length);
  return names.map((name) => {
    const kind = kinds[String(name)];
    if (kind) return kind;
    throw config.unsupported(
      said`GGUF cannot express layers of type ${JSON.stringify(name)} for this architecture.`,
    );
  });
}

interface Sizes extends Pick<Decoder, 'hiddenSize' | 'heads' | 'kvHeads' | 'headSize' | 'tied'> {
  readonly feedForwardSize: number;
}

function convertLayers(config: ConfigReader): Conversion {
  for (const key of ['attention_bias', 'mlp_bias', 'use_bias', 'mamba_proj_bias'])
    config.expect(key, false, false);
  config.expect('mlp_hidden_act', 'relu2', 'relu2');
  config.expect('sliding_window', null, null);
  config.known(...harmless);
  const layers = readKinds(config);
  const hasExperts = layers.includes('experts');
  if (hasExperts && layers.includes('network'))
    throw config.unsupported(
      said`Layers with experts next to ones without cannot be exported for this architecture.`,
    );
  const sizes = readSizes(config, hasExperts);
  const mixer = readMixer(config);
  const experts = hasExperts ? readExperts(config, sizes) : { keyValues: [], parts: [] };
  const parts: Readonly<Record<Kind, readonly Part[]>> = {
    mixer: mamba2Parts(mixer, sizes.hiddenSize, 'mixer'),
    attention: attentionParts(sizes as Decoder).map((part) => ({
      ...part,
      from: String(part.from).replace('self_attn', 'mixer'),
    })),
    network: networkParts(sizes, sizes.feedForwardSize, 'mixer', ''),
    experts: experts.parts,
  };
  return {
    prefixes: ['backbone.', 'model.'],
    leftOut: predictingPart,
    ...tiedOutput(sizes, 'lm_head.weight', 'embeddings.weight'),
    keyValues: [...keyValuesOf(config, sizes, layers), ...mamba2KeyValues(mixer), ...experts.keyValues],
    tensors: [
      ...partRules(backboneParts(sizes.hiddenSize, sizes.tied)),
      blockRules('layers', layers.length, (block) => [
        { from: 'norm', to: 'attn_norm', shape: [sizes.hiddenSize] },
        ...parts[layers[block]!],
      ]),
    ],
  };
}

/** What no result depends on, besides what all architectures have. */
const harmless = [
  ...['num_logits_to_keep', 'use_mamba_kernels', 'mamba_ssm_cache_dtype', 'residual_in_fp32', 'expand'],
  ...['norm_eps', 'rms_norm_eps', 'moe_shared_expert_overlap', 'num_nextn_predict_layers'],
  ...[
    'mtp_layers_block_type',
    'mtp_hybrid_override_pattern',
    'rope_theta',
    'partial_rotary_factor',
    'rope_parameters',
  ],
];

function readSizes(config: ConfigReader, hasExperts: boolean): Sizes {
  const heads = config.count('num_attention_heads', 32);
  return {
    hiddenSize: config.integer('hidden_size', 4096),
    heads,
    kvHeads: config.count('num_key_value_heads', config.isNull('num_key_value_heads') ? heads : 8),
    headSize: config.integer(config.spelled('head_dim', 'attention_head_dim'), 128),
    feedForwardSize: hasExperts
      ? config.integer('moe_intermediate_size', 7688)
      : config.integer('intermediate_size', 21504),
    tied: config.tied(false),
  };
}

/** What no result depends on, under names that the class has given up. */
const olderSteps = [
  ...['mamba_dt_min', 'mamba_dt_max', 'mamba_dt_init_floor', 'mamba_chunk_size', 'mamba_expand'],
  'time_step_limit',
];

function readMixer(config: ConfigReader): Mamba2 {
  config.expect('mamba_hidden_act', 'silu', 'silu');
  // Older names take precedence in the class.
  config.expect(config.spelled('mamba_conv_bias', 'use_conv_bias'), true, true);
  config.known('use_conv_bias', ...olderSteps);
  expectFreeSteps(config, config.spelled('mamba_dt_limit', 'time_step_limit'));
  const heads = config.count('mamba_num_heads', 128);
  const mixer: Mamba2 = {
    innerSize: heads * config.integer('mamba_head_dim', 64),
    heads,
    groups: config.integer(config.spelled('mamba_n_groups', 'n_groups'), 8),
    stateSize: config.integer('ssm_state_size', 128),
    kernel: config.integer(config.spelled('mamba_d_conv', 'conv_kernel'), 4),
  };
  config.known('n_groups', 'conv_kernel');
  checkGroups(config, config.spelled('mamba_n_groups', 'n_groups'), mixer);
  return mixer;
}

function keyValuesOf(config: ConfigReader, sizes: Sizes, layers: readonly Kind[]): KeyValue[] {
  const { hiddenSize, heads, kvHeads, headSize, feedForwardSize } = sizes;
  const epsilon = config.number('layer_norm_epsilon', 1e-5);
  const each = (value: number, ...of: readonly Kind[]): number[] =>
    layers.map((kind) => (of.includes(kind) ? value : 0));
  return [
    u32('context_length', config.integer('max_position_embeddings', 4096)),
    u32('embedding_length', hiddenSize),
    u32('block_count', layers.length),
    u32s('feed_forward_length', each(feedForwardSize, 'network', 'experts')),
    u32('attention.head_count', heads),
    u32s('attention.head_count_kv', each(kvHeads, 'attention')),
    u32('attention.key_length', headSize),
    u32('attention.value_length', headSize),
    u32('rope.dimension_count', headSize),
    bool('rope.scaling.finetuned', false),
    // All norms are RMS norms; llama.cpp wants both keys.
    f32('attention.layer_norm_epsilon', epsilon),
    f32('attention.layer_norm_rms_epsilon', epsilon),
  ];
}

/** down(relu(up x)²), without a gate. */
const networkParts = ({ hiddenSize }: Sizes, size: number, prefix: string, suffix: string): Part[] => [
  { from: `${prefix}.up_proj`, to: `ffn_up${suffix}`, shape: [size, hiddenSize] },
  { from: `${prefix}.down_proj`, to: `ffn_down${suffix}`, shape: [hiddenSize, size] },
];

/** Experts scored by sigmoid with a bias, and one that all tokens share. */
function readExperts(config: ConfigReader, sizes: Sizes): { keyValues: KeyValue[]; parts: Part[] } {
  const { hiddenSize, feedForwardSize: size } = sizes;
  config.expect('moe_latent_size', null, null);
  config.expect('n_shared_experts', 1, 1);
  config.expect('n_group', 1, 1);
  config.expect('topk_group', 1, 1);
  const count = config.count('n_routed_experts', 8);
  const shared = config.integer('moe_shared_expert_intermediate_size', 7688);
  const merged = (name: string, to: string, rows: number, columns: number): Part => ({
    from: Array.from({ length: count }, (_, expert) => `mixer.experts.${expert}.${name}`),
    ...{ to, shape: [count, rows, columns], rule: { sourceShape: [rows, columns] } },
    instead: { from: [`mixer.experts.${name}`], sourceShape: [count, rows, columns] },
  });
  return {
    keyValues: [
      u32('expert_count', count),
      u32('expert_used_count', config.integer('num_experts_per_tok', 2)),
      u32('expert_feed_forward_length', size),
      u32('expert_shared_count', 1),
      u32('expert_shared_feed_forward_length', shared),
      bool('expert_weights_norm', config.flag('norm_topk_prob', true)),
      f32('expert_weights_scale', config.number('routed_scaling_factor', 1)),
    ],
    parts: [
      { from: 'mixer.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
      {
        from: 'mixer.gate.e_score_correction_bias',
        ...{ to: 'exp_probs_b.bias', shape: [count], exact: true },
      },
      merged('up_proj', 'ffn_up_exps', size, hiddenSize),
      merged('down_proj', 'ffn_down_exps', hiddenSize, size),
      ...networkParts(sizes, shared, 'mixer.shared_experts', '_shexp'),
    ],
  };
}
