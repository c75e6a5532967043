import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import { attentionParts, gatedParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, RowFactor } from '../description';
import { refuseFactors } from '../rope';
import { checkGroups, expectFreeSteps, mamba2KeyValues, mamba2Parts, type Mamba2 } from './mamba2';

/**
 * Falcon-H1: attention and a state space mixer side by side in every block. What config.json multiplies by becomes part of the weights, since
 * llama.cpp has no keys for it.
 */
export const falconH1: ArchitectureDescription = {
  name: 'falcon-h1',
  family: 'Falcon-H1',
  classes: { FalconH1ForCausalLM: 'falcon_h1' },
  forward: {
    rotation: 'halves',
    activation: 'silu',
    mixers: ['attention', 'mamba2'],
    // llama.cpp reads this norm without the usual suffix.
    ownParts: ['ffn_norm'],
  },
  convert(config) {
    for (const key of ['attention_bias', 'mlp_bias', 'mamba_proj_bias', 'projectors_bias'])
      config.expect(key, false, false);
    config.expect('hidden_act', 'silu', 'silu');
    config.known(...harmless);
    const decoder = readFalconH1(config);
    const { hiddenSize, blocks } = decoder;
    const mixer = readMixer(config, hiddenSize);
    const factors = readFactors(config, mixer);
    // An output that is the embedding has a factor of its own.
    const tied = decoder.tied && factors.token_embd === factors.output;
    const output = decoder.tied ? 'embed_tokens' : 'lm_head';
    const outer: Part[] = [
      { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
      { from: 'final_layernorm', to: 'output_norm', shape: [hiddenSize] },
      ...(tied ? [] : [{ from: output, to: 'output', shape: ['any', hiddenSize] } as const]),
    ];
    const parts = blockParts(config, decoder, mixer);
    return {
      prefixes: ['model.'],
      ignored: [...usualIgnored, /mamba\.mup_vector$/],
      ...(tied ? tiedOutput(decoder) : {}),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5), ...mamba2KeyValues(mixer)],
      tensors: [
        ...partRules(outer.map((part) => multiplied(part, factors))),
        blockRules('layers', blocks, () => parts.map((part) => multiplied(part, factors))),
      ],
    };
  },
};

/** What no result depends on. */
const harmless = [
  'num_logits_to_keep',
  'mamba_expand',
  'mamba_chunk_size',
  'mamba_use_mlp',
  'mlp_expansion_factor',
];

function readFalconH1(config: ConfigReader): Decoder {
  const decoder = readDecoder(config, {
    blocks: 32,
    hiddenSize: 4096,
    feedForwardSize: 14336,
    heads: 32,
    kvHeads: 8,
    contextLength: 8192,
  });
  refuseFactors(config, decoder.rope);
  return decoder;
}

function readMixer(config: ConfigReader, hiddenSize: number): Mamba2 {
  config.expect('mamba_conv_bias', true, true);
  expectFreeSteps(config);
  const innerSize = config.isNull('mamba_d_ssm')
    ? config.integer('mamba_expand', 2) * hiddenSize
    : config.integer('mamba_d_ssm', 1024);
  const heads = config.count('mamba_n_heads', 128);
  config.expect('mamba_d_head', 'auto', 'auto', innerSize / heads);
  const mixer: Mamba2 = {
    ...{ innerSize, heads },
    groups: config.integer('mamba_n_groups', 1),
    stateSize: config.integer('mamba_d_state', 256),
    kernel: config.integer('mamba_d_conv', 4),
  };
  checkGroups(config, 'mamba_n_groups', mixer);
  return mixer;
}

function blockParts(config: ConfigReader, decoder: Decoder, mixer: Mamba2): Part[] {
  const { hiddenSize } = decoder;
  const isNormed = config.flag('mamba_rms_norm', false);
  // llama.cpp multiplies by the gate first.
  if (isNormed) config.expect('mamba_norm_before_gate', true, false);
  else config.known('mamba_norm_before_gate');
  return [
    { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
    ...attentionParts(decoder),
    ...mamba2Parts(mixer, hiddenSize, 'mamba').filter(({ to }) => isNormed || to !== 'ssm_norm'),
    { from: 'pre_ff_layernorm.weight', to: 'ffn_norm', shape: [hiddenSize], exact: true },
    ...gatedParts(decoder).map((part) => ({
      ...part,
      from: String(part.from).replace('mlp', 'feed_forward'),
    })),
  ];
}

type Factors = Readonly<Record<string, number | readonly RowFactor[]>>;

/** What each tensor is multiplied by, by its name in GGUF. */
function readFactors(config: ConfigReader, { innerSize, groups, stateSize }: Mamba2): Factors {
  const one = (name: string): number => config.number(`${name}_multiplier`, 1);
  const [gate, down] = severalOf(config, 'mlp_multipliers', 2) as [number, number];
  const attention = one('attention_in');
  const input = one('ssm_in');
  const sizes = [innerSize, innerSize, groups * stateSize, groups * stateSize, Infinity];
  return {
    token_embd: one('embedding'),
    output: one('lm_head'),
    ...{ attn_q: attention, attn_k: attention * one('key'), attn_v: attention },
    ...{ attn_output: one('attention_out'), ssm_out: one('ssm_out'), ffn_gate: gate, ffn_down: down },
    ssm_in: severalOf(config, 'ssm_multipliers', 5).map((factor, i) => ({
      rows: sizes[i]!,
      factor: factor * input,
    })),
  };
}

/** @throws QuantscopeError MODEL_FILE for a list of another length. */
function severalOf(config: ConfigReader, key: string, count: number): readonly number[] {
  const found = config.numbers(key);
  if (found !== undefined && found.length !== count) throw config.wrong(key, `${count} numbers are needed`);
  return found ?? Array.from({ length: count }, () => 1);
}

/** A part with its factors; without, where all of them are 1. */
function multiplied(part: Part, all: Factors): Part {
  const own = all[part.to] ?? 1;
  const factors = typeof own === 'number' ? [{ rows: Infinity, factor: own }] : own;
  return factors.every(({ factor }) => factor === 1) ? part : { ...part, rule: { ...part.rule, factors } };
}
