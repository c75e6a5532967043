import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import { attentionParts, gatedParts, headNormParts, outerParts } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { Conversion } from '../description';
import { expectAttentionScale, gemmaNormParts, shiftNorms } from './gemmaParts';
import { f32, u32 } from '../keyValues';
import { readRope, ropeKind, ropeParameters, type Rope } from '../rope';
import { slidingLayers, slidingPeriod } from '../slidingWindow';
import { said } from '../../protocol/said';

const usualContext = 131_072;

/** Every sixth layer attends to everything, unless a key says otherwise. */
export const usualPeriod = 6;

/**
 * What Gemma 3 and EmbeddingGemma have in common.
 * @param largeBlocks number of blocks that changes the scale of scores.
 */
export function readGemma3(config: ConfigReader, tied: boolean, largeBlocks?: number) {
  config.known('hidden_act', 'sliding_window', 'rope_local_base_freq');
  config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
  config.expect('attention_bias', false, false);
  config.expect('attn_logit_softcapping', null, null);
  const { localTheta, rope } = readGemmaRopes(config);
  const decoder = readDecoder(config, {
    blocks: 26,
    hiddenSize: 2304,
    feedForwardSize: 9216,
    heads: 8,
    kvHeads: 4,
    headSize: 256,
    contextLength: usualContext,
    rope,
    tied,
  });
  expectAttentionScale(config, decoder, largeBlocks);
  return { decoder, localTheta };
}

export const windowOf = (config: ConfigReader): number => config.integer('sliding_window', 4096);

/** The period of layers with a window, as `slidingPeriod` has it, and which layers have one. */
export function windowPeriod(
  config: ConfigReader,
  { blocks }: Decoder,
): { readonly period: number | undefined; readonly layers: readonly boolean[] } {
  const group = config.integer(
    'sliding_window_pattern',
    config.integer('_sliding_window_pattern', usualPeriod),
  );
  const layers = slidingLayers(config, blocks, (layer) => (layer + 1) % group !== 0);
  return { period: slidingPeriod(config, layers, usualPeriod), layers };
}

export const patternKeyValues = (period: number | undefined): KeyValue[] =>
  period === undefined || period === usualPeriod ? [] : [u32('attention.sliding_window_pattern', period)];

export const gemma3KeyValues = (config: ConfigReader, decoder: Decoder, localTheta: number): KeyValue[] => [
  ...decoderKeyValues(decoder),
  f32('rope.freq_base_swa', localTheta),
  rmsEpsilon(config),
];

export const gemma3Rules = (decoder: Decoder): Conversion['tensors'] => [
  ...partRules(shiftNorms(outerParts(decoder))),
  blockRules('layers', decoder.blocks, () =>
    shiftNorms([
      ...gemmaNormParts(decoder),
      ...attentionParts(decoder),
      ...headNormParts(decoder.headSize),
      ...gatedParts(decoder),
    ]),
  ),
];

/**
 * The rotary settings of layers that attend to everything, and the theta of the rest: `rope_parameters` of transformers 5 may hold
 * an object for each kind of layer.
 */
export function readGemmaRopes(config: ConfigReader): { localTheta: number; rope: Rope } {
  const parameters = config.inner('rope_parameters');
  const full = parameters?.inner('full_attention');
  const sliding = parameters?.inner('sliding_attention');
  if (sliding && ropeKind(sliding) !== 'default')
    throw sliding.unsupported(
      said`Layers with a sliding window have a rope scaling, which GGUF cannot express.`,
    );
  const localTheta = sliding?.has('rope_theta')
    ? sliding.number('rope_theta')
    : config.number('rope_local_base_freq', 10_000);
  const contextLength = config.integer('max_position_embeddings', usualContext);
  // Neither scaling that this architecture can have depends on the size of a head.
  const rope = readRope(
    config,
    0,
    contextLength,
    1_000_000,
    full ?? (sliding ? undefined : ropeParameters(config)),
  );
  return { localTheta, rope };
}
