import type { KeyValue } from '../../model/keyValue';
import { mistralParams } from '../../model/jsonFiles';
import type { ConfigReader } from '../configReader';
import { decoderKeyValues, type Decoder } from '../decoder';
import { tiedOutput } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { f32 } from '../keyValues';
import { temperatureKeyValues } from './mistral3';
import { ropeTensors, yarnMagnitude, yarnScaling, type Rope } from '../rope';
import { windowWithoutKey } from '../slidingWindow';
import { visionPart } from '../textPart';
import { said } from '../../protocol/said';

const family = 'Mistral models as "consolidated" weights with params.json (text)';
const forward = { rotation: 'pairs', activation: 'silu' } as const;

/**
 * What Mistral publishes beside or instead of the files of transformers: params.json and "consolidated" weights. Rows of queries and keys are
 * in the order of llama.cpp already.
 */
export const mistralConsolidated: ArchitectureDescription = {
  ...{ name: 'llama', family, forward },
  classes: { 'params.json': mistralParams },
  fits: (config) => !isTempered(config),
  convert: conversion,
};

/** The same where queries are scaled by position. */
export const mistralConsolidated3: ArchitectureDescription = {
  ...{ name: 'mistral3', family, forward },
  classes: { 'params.json': mistralParams },
  fits: isTempered,
  convert: conversion,
};

function isTempered(config: Readonly<Record<string, unknown>>): boolean {
  return config['llama_4_scaling'] !== undefined && config['llama_4_scaling'] !== null;
}

function conversion(config: ConfigReader): Conversion {
  for (const key of ['moe', 'q_lora_rank']) config.expect(key, null, null);
  config.expect('use_biases', false, false);
  config.expect('causal', true, true);
  config.expect('activation', 'silu', 'silu');
  config.known(
    'quantization',
    'model_parallel',
    'ragged_attention',
    'vision_encoder',
    'max_batch_size',
    'multimodal',
  );
  const decoder = readDecoder(config);
  const scaling = config.inner('llama_4_scaling');
  return {
    leftOut: visionPart,
    ...tiedOutput(decoder, 'output.weight', 'tok_embeddings.weight'),
    ...windowsOf(config, decoder),
    keyValues: [
      ...decoderKeyValues(decoder),
      f32('attention.layer_norm_rms_epsilon', config.number('norm_eps')),
      ...(scaling ? temperatureOf(scaling, decoder) : []),
    ],
    computed: ropeTensors(decoder.rope),
    tensors: [
      ...partRules(outerParts(decoder)),
      blockRules('layers', decoder.blocks, () => blockParts(decoder)),
    ],
  };
}

/**
 * Windows of layers, as Ministral 8B lists them: null for a layer without one, in groups that repeat.
 * @throws QuantscopeError MODEL_FILE for a list that layers do not repeat, UNSUPPORTED for windows of different sizes.
 */
function windowsOf(config: ConfigReader, decoder: Decoder): ReturnType<typeof windowWithoutKey> {
  const listed = config.isList('_sliding_window') ? config.list('_sliding_window') : undefined;
  if (!listed) {
    const key = config.has('_sliding_window') ? { window: config.integer('_sliding_window') } : {};
    return windowWithoutKey(config, decoder, key);
  }
  const sizes = new Set(listed.filter((size) => size !== null));
  const [window = 0] = sizes;
  if (listed.length === 0 || decoder.blocks % listed.length !== 0 || !Number.isInteger(window))
    throw config.wrong(
      '_sliding_window',
      `sizes or null for layers of a group of ${decoder.blocks} are needed`,
    );
  if (sizes.size > 1)
    throw config.unsupported(said`Layers have windows of different sizes ("_sliding_window").`);
  return windowWithoutKey(config, decoder, {
    window: window as number,
    rule: (layer) => listed[layer % listed.length] !== null,
  });
}

const temperatureOf = (scaling: ConfigReader, { rope }: Decoder): KeyValue[] =>
  temperatureKeyValues(
    scaling,
    { scale: scaling.number('beta'), length: scaling.integer('original_max_position_embeddings') },
    rope,
  );

function readDecoder(config: ConfigReader): Decoder {
  const hiddenSize = config.integer('dim');
  const heads = config.count('n_heads');
  const headSize = config.integer('head_dim', hiddenSize / heads);
  const contextLength = config.integer(config.spelled('max_position_embeddings', 'max_seq_len'), 128_000);
  return {
    ...{ hiddenSize, heads, headSize, headSizeStated: true, ropeDimensions: headSize, contextLength },
    blocks: config.layers('n_layers'),
    feedForwardSize: config.integer('hidden_dim'),
    kvHeads: config.count('n_kv_heads', heads),
    rope: readRope(config, headSize),
    tied: config.flag('tied_embeddings', false),
  };
}

/** @throws QuantscopeError UNSUPPORTED for YaRN that does not say whether it has a magnitude. */
function readRope(config: ConfigReader, dimensions: number): Rope {
  config.checkRotated(dimensions);
  const theta = config.number('rope_theta', 10_000);
  const yarn = config.inner('yarn');
  if (!yarn) return { theta, scaling: { kind: 'none' } };
  yarn.expect('apply_scale', null, true, false);
  const factor = yarn.number('factor');
  const magnitude = yarn.flag('apply_scale', false) ? yarnMagnitude(factor) : 1;
  const nearest = {
    ...{ kind: 'yarn' as const, magnitude, factor },
    context: yarn.integer('original_max_position_embeddings'),
  };
  const ramp = { fast: yarn.number('beta'), slow: yarn.number('alpha'), whole: true };
  return { theta, scaling: yarnScaling({ theta, dimensions }, nearest, ramp) };
}

const outerParts = ({ hiddenSize, tied }: Decoder): Part[] => [
  { from: 'tok_embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
  { from: 'norm', to: 'output_norm', shape: [hiddenSize] },
  ...(tied ? [] : [{ from: 'output', to: 'output', shape: ['any', hiddenSize] } as const]),
];

function blockParts({ hiddenSize, heads, kvHeads, headSize, feedForwardSize }: Decoder): Part[] {
  return [
    { from: 'attention_norm', to: 'attn_norm', shape: [hiddenSize] },
    { from: 'attention.wq', to: 'attn_q', shape: [heads * headSize, hiddenSize] },
    { from: 'attention.wk', to: 'attn_k', shape: [kvHeads * headSize, hiddenSize] },
    { from: 'attention.wv', to: 'attn_v', shape: [kvHeads * headSize, hiddenSize] },
    { from: 'attention.wo', to: 'attn_output', shape: [hiddenSize, heads * headSize] },
    { from: 'ffn_norm', to: 'ffn_norm', shape: [hiddenSize] },
    { from: 'feed_forward.w1', to: 'ffn_gate', shape: [feedForwardSize, hiddenSize] },
    { from: 'feed_forward.w3', to: 'ffn_up', shape: [feedForwardSize, hiddenSize] },
    { from: 'feed_forward.w2', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
  ];
}
