import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { tiedOutput } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { f32, u32 } from '../keyValues';
import { said } from '../../protocol/said';

/** Sizes of a state space mixer (Dao and Gu 2024, "Transformers are SSMs", Mamba 2). */
export interface Mamba2 {
  /** Of all heads together. */
  readonly innerSize: number;
  readonly heads: number;
  /** Heads side by side that share what is written to the state and read from it. */
  readonly groups: number;
  readonly stateSize: number;
  /** Tokens that the convolution before it sees. */
  readonly kernel: number;
}

export const mamba2KeyValues = ({ innerSize, heads, groups, stateSize, kernel }: Mamba2): KeyValue[] => [
  u32('ssm.conv_kernel', kernel),
  u32('ssm.inner_size', innerSize),
  u32('ssm.state_size', stateSize),
  u32('ssm.time_step_rank', heads),
  u32('ssm.group_count', groups),
];

/** @throws QuantscopeError MODEL_FILE unless groups share the heads evenly. */
export function checkGroups(config: ConfigReader, key: string, { heads, groups }: Mamba2): void {
  if (heads % groups !== 0) throw config.wrong(key, `a divisor of ${heads} heads is needed`);
}

/** @throws QuantscopeError UNSUPPORTED for steps that are clamped, which llama.cpp does not do. */
export function expectFreeSteps(config: ConfigReader, key = 'time_step_limit'): void {
  config.known('time_step_min', 'time_step_max', 'time_step_floor', 'time_step_rank', 'chunk_size');
  const [least = 0, most = Infinity] = config.list(key) ?? [];
  if (least === 0 && most === Infinity) return;
  throw config.unsupported(said`"${key}" limits steps, which llama.cpp does not do.`);
}

/** A mixer under the names of `prefix`: gate, inputs of the convolution and steps come from one matrix. */
export function mamba2Parts(mixer: Mamba2, hiddenSize: number, prefix: string): Part[] {
  const { innerSize, heads, groups, stateSize, kernel } = mixer;
  const channels = innerSize + 2 * groups * stateSize;
  const each = { shape: [heads, 1], exact: true };
  return [
    { from: `${prefix}.in_proj`, to: 'ssm_in', shape: [innerSize + channels + heads, hiddenSize] },
    {
      ...{ from: `${prefix}.conv1d`, to: 'ssm_conv1d', shape: [channels, kernel] },
      rule: { sourceShape: [channels, 1, kernel] },
    },
    { from: `${prefix}.conv1d.bias`, to: 'ssm_conv1d.bias', shape: [channels], exact: true },
    { from: `${prefix}.dt_bias`, to: 'ssm_dt.bias', shape: [heads], exact: true },
    { from: `${prefix}.A_log`, to: 'ssm_a', ...each, rule: { sourceShape: [heads], map: '-exp' } },
    { from: `${prefix}.D`, to: 'ssm_d', ...each, rule: { sourceShape: [heads] } },
    {
      ...{ from: `${prefix}.norm`, to: 'ssm_norm', shape: [groups, innerSize / groups] },
      rule: { sourceShape: [innerSize] },
    },
    { from: `${prefix}.out_proj`, to: 'ssm_out', shape: [hiddenSize, innerSize] },
  ];
}

/** How llama.cpp differs from transformers where there are several groups. */
export const groupNote = (groups: number): string[] =>
  groups === 1
    ? []
    : [
        said`The ${groups} groups of each layer are normalized one by one, as in mamba_ssm and llama.cpp; transformers normalizes them together.`,
      ];

/** Mamba 2: state space layers only. */
export const mamba2: ArchitectureDescription = {
  name: 'mamba2',
  family: 'Mamba 2, Codestral Mamba',
  classes: { Mamba2ForCausalLM: 'mamba2' },
  // Nothing rotates.
  forward: { rotation: 'halves', activation: 'silu', mixers: ['mamba2'] },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('use_bias', false, false);
    config.expect('use_conv_bias', true, true);
    config.expect('rms_norm', true, true);
    config.known('residual_in_fp32');
    expectFreeSteps(config);
    const hiddenSize = config.integer('hidden_size', 4096);
    const innerSize = config.integer('expand', 2) * hiddenSize;
    const mixer: Mamba2 = {
      innerSize,
      heads: config.count('num_heads', 128),
      groups: config.integer('n_groups', 8),
      stateSize: config.integer('state_size', 128),
      kernel: config.integer('conv_kernel', 4),
    };
    checkGroups(config, 'n_groups', mixer);
    config.expect('head_dim', 64, innerSize / mixer.heads);
    const blocks = config.layers('num_hidden_layers', 64);
    const tied = config.tied(false);
    // The class reads the first; converters of other weights write the second.
    const epsilon = config.spelled('layer_norm_epsilon', 'rms_norm_eps');
    return {
      prefixes: ['model.backbone.', 'backbone.', 'model.'],
      ...tiedOutput({ tied }, 'lm_head.weight', 'embeddings.weight'),
      notes: groupNote(mixer.groups),
      keyValues: [
        // A state has no end; loaders want numbers for attention and feed-forward networks, too.
        u32('context_length', 2 ** 20),
        u32('embedding_length', hiddenSize),
        u32('block_count', blocks),
        u32('feed_forward_length', 0),
        u32('attention.head_count', 0),
        ...mamba2KeyValues(mixer),
        f32('attention.layer_norm_rms_epsilon', config.number(epsilon, 1e-5)),
      ],
      tensors: [
        ...partRules(backboneParts(hiddenSize, tied)),
        blockRules('layers', blocks, () => [
          { from: 'norm', to: 'attn_norm', shape: [hiddenSize] },
          ...mamba2Parts(mixer, hiddenSize, 'mixer'),
        ]),
      ],
    };
  },
};

/** Embedding, last norm and output under the names of state space models. */
export const backboneParts = (hiddenSize: number, tied: boolean): Part[] => [
  { from: 'embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
  { from: 'norm_f', to: 'output_norm', shape: [hiddenSize] },
  ...(tied ? [] : [{ from: 'lm_head', to: 'output', shape: ['any', hiddenSize] } as const]),
];
