import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { readGemmaRopes } from './gemma3Parts';
import { gemmaNormParts } from './gemmaParts';
import { f32, u32 } from '../keyValues';
import {
  perLayerBlockParts,
  perLayerOuterParts,
  perLayerTensors,
  withVocabulary,
  type PerLayer,
} from './perLayerParts';
import { sameInAll } from '../sameInAll';
import { slidingLayers, slidingPeriod } from '../slidingWindow';
import { hearingPart, seeingPart, textPart } from '../textPart';
import { said } from '../../protocol/said';

/** What llama.cpp has built in instead of reading it: streams of states, ranks, and what the first layers do. */
const builtIn = {
  streams: 4,
  laurelRank: 64,
  perLayerSize: 256,
  /** Layers that have keys and values of their own; those after them take those of the last two. */
  ownKeys: 20,
  windowPeriod: 5,
  sparseLayers: 10,
  sparsity: 0.95,
  /** So many standard deviations above the mean of a normal distribution, that share of it is below. */
  deviations: 1.6448536269514722,
  logitCap: 30,
} as const;

/**
 * Gemma 3n, and the language part of its multimodal models: four streams of states (AltUp), a low-rank path beside the attention (LAuReL),
 * embeddings for each layer, feed-forward networks whose gates are mostly 0 in the first layers, and last layers that share keys and values.
 */
export const gemma3n: ArchitectureDescription = {
  name: 'gemma3n',
  family: 'Gemma 3n (text)',
  classes: { Gemma3nForCausalLM: 'gemma3n_text', Gemma3nForConditionalGeneration: 'gemma3n' },
  forward: {
    rotation: 'halves',
    activation: 'gelu',
    scaledEmbedding: true,
    windowPeriod: builtIn.windowPeriod,
    scoreScale: 1,
    unitValues: true,
    firstSharing: builtIn.ownKeys,
    streams: builtIn.streams,
    sparseGates: { layers: builtIn.sparseLayers, deviations: builtIn.deviations },
    ownParts: [
      ...perLayerTensors,
      'altup_correct_coef.weight',
      'altup_correct_scale.weight',
      'altup_predict_coef.weight',
      'altup_router.weight',
      'altup_router_norm.weight',
      'laurel_l.weight',
      'laurel_r.weight',
      'laurel_post_norm.weight',
    ],
  },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole, true);
    expectBuiltIn(config);
    const { decoder, localTheta } = readGemma3n(config, tied);
    const vocabulary = config.integer('vocab_size', 262_400);
    const perLayer: PerLayer = {
      size: builtIn.perLayerSize,
      tokens: config.integer('vocab_size_per_layer_input', 262_144, 1, vocabulary),
    };
    expectLayers(config, decoder.blocks);
    return {
      ...{ prefixes, leftOut: { ...leftOut, ...seeingPart, ...hearingPart }, ignored: usualIgnored },
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        f32('rope.freq_base_swa', localTheta),
        rmsEpsilon(config),
        u32('attention.sliding_window', config.integer('sliding_window', 512)),
        u32('attention.shared_kv_layers', decoder.blocks - builtIn.ownKeys),
        u32('embedding_length_per_layer_input', perLayer.size),
        f32('final_logit_softcapping', builtIn.logitCap),
      ],
      tensors: [
        ...partRules(withVocabulary(outerParts(decoder), vocabulary)),
        ...partRules(perLayerOuterParts(decoder, perLayer, vocabulary)),
        ...partRules(streamParts(decoder)),
        blockRules('layers', decoder.blocks, () => blockParts(decoder, perLayer)),
      ],
    };
  },
};

function readGemma3n(config: ConfigReader, tied: boolean): { decoder: Decoder; localTheta: number } {
  const { localTheta, rope } = readGemmaRopes(config);
  if (rope.scaling.kind !== 'none')
    throw config.unsupported(
      said`Rope scaling cannot be exported for this architecture: llama.cpp has none.`,
    );
  const decoder = readDecoder(config, {
    blocks: 35,
    hiddenSize: 2048,
    ownWidth: sameInAll(config, 'intermediate_size', 16_384),
    heads: 8,
    kvHeads: 2,
    headSize: 256,
    contextLength: 32_768,
    rope,
    tied,
  });
  return { decoder, localTheta };
}

/** @throws QuantscopeError UNSUPPORTED for another value of what llama.cpp has built in. */
function expectBuiltIn(config: ConfigReader): void {
  // Scores have no factor, whatever this key says. Training keeps coefficients within the clip, and results do not depend on its rate.
  config.known('hidden_act', 'query_pre_attn_scalar', 'altup_coef_clip', 'altup_lr_multiplier');
  config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
  config.expect('attention_bias', false, false);
  config.expect('attn_logit_softcapping', null, null);
  config.expect('altup_num_inputs', builtIn.streams, builtIn.streams);
  config.expect('altup_active_idx', 0, 0);
  config.expect('altup_correct_scale', true, true);
  config.expect('laurel_rank', builtIn.laurelRank, builtIn.laurelRank);
  config.expect('hidden_size_per_layer_input', builtIn.perLayerSize, builtIn.perLayerSize);
  if (config.isNull('final_logit_softcapping'))
    throw config.unsupported(said`"final_logit_softcapping" is null; llama.cpp always caps logits at 30.`);
  config.expect('final_logit_softcapping', builtIn.logitCap, builtIn.logitCap);
}

/**
 * Which layers have a window, keys of their own, and sparse gates: llama.cpp has all of them built in.
 * @throws QuantscopeError UNSUPPORTED for any others.
 */
function expectLayers(config: ConfigReader, blocks: number): void {
  const { ownKeys, windowPeriod, sparseLayers, sparsity } = builtIn;
  const layers = slidingLayers(config, blocks, (layer) => (layer + 1) % windowPeriod !== 0);
  if (slidingPeriod(config, layers, windowPeriod) !== windowPeriod)
    throw config.unsupported(
      said`Layers with a sliding window are not all but every ${windowPeriod}th, as llama.cpp has it for this architecture.`,
    );
  const shared = config.integer('num_kv_shared_layers', 15, 0);
  if (blocks - shared !== ownKeys)
    throw config.unsupported(
      said`${shared} of ${blocks} layers take keys and values of others ("num_kv_shared_layers"), but llama.cpp gives their own to ${ownKeys} layers in this architecture.`,
    );
  const stated = config.numbers('activation_sparsity_pattern');
  const isBuiltIn = Array.from({ length: blocks }, (_, layer) => (layer < sparseLayers ? sparsity : 0)).every(
    (share, layer) => stated === undefined || stated[layer] === share,
  );
  if (isBuiltIn) return;
  throw config.unsupported(
    said`"activation_sparsity_pattern" is not ${sparsity} in the first ${sparseLayers} layers and 0 in the others, as llama.cpp has it for this architecture.`,
  );
}

/** Matrices that make the further streams of the first one, and states of the last of them: all of a kind in one tensor. */
function streamParts({ hiddenSize }: Decoder): Part[] {
  const further = builtIn.streams - 1;
  const stacked = (from: string, to: string): Part => ({
    from: Array.from({ length: further }, (_, stream) => `${from}.${stream}`),
    to,
    shape: [further, hiddenSize, hiddenSize],
    rule: { sourceShape: [hiddenSize, hiddenSize] },
  });
  return [
    stacked('altup_projections', 'altup_proj'),
    stacked('altup_unembed_projections', 'altup_unembd_proj'),
  ];
}

function blockParts(decoder: Decoder, { size }: PerLayer): Part[] {
  const { hiddenSize, headSize } = decoder;
  const { streams, laurelRank } = builtIn;
  return [
    ...gemmaNormParts(decoder),
    ...attentionParts(decoder),
    ...headNormParts(headSize),
    ...gatedParts(decoder),
    ...perLayerBlockParts(decoder, size),
    { from: 'altup.correction_coefs', to: 'altup_correct_coef', shape: [streams, streams] },
    {
      from: 'altup.correct_output_scale',
      to: 'altup_correct_scale.weight',
      shape: [hiddenSize],
      exact: true,
    },
    { from: 'altup.prediction_coefs', to: 'altup_predict_coef', shape: [streams ** 2, streams] },
    { from: 'altup.modality_router', to: 'altup_router', shape: [streams, hiddenSize] },
    { from: 'altup.router_norm', to: 'altup_router_norm', shape: [hiddenSize] },
    { from: 'laurel.linear_left', to: 'laurel_l', shape: [laurelRank, hiddenSize] },
    { from: 'laurel.linear_right', to: 'laurel_r', shape: [hiddenSize, laurelRank] },
    { from: 'laurel.post_laurel_norm', to: 'laurel_post_norm', shape: [hiddenSize] },
  ];
}
