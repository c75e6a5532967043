import type { KeyValue } from '../../model/keyValue';
import type { ConfigReader } from '../configReader';
import { rmsEpsilon } from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { expertParts } from '../experts';
import { readGemma4, type Gemma4 } from './gemma4Config';
import { gemmaNormParts } from './gemmaParts';
import { f32, u32, u32s } from '../keyValues';
import { perLayerBlockParts, perLayerOuterParts, perLayerTensors, withVocabulary } from './perLayerParts';
import { hearingPart, seeingPart, textPart } from '../textPart';
import { said } from '../../protocol/said';

/**
 * Gemma 4, and the language part of its multimodal models: two kinds of layers with heads of different sizes, values that are normed and may
 * be the keys, and, depending on the model, last layers that share keys and values, embeddings for each layer, or experts beside the
 * feed-forward network.
 */
export const gemma4: ArchitectureDescription = {
  name: 'gemma4',
  family: 'Gemma 4 (text)',
  classes: { Gemma4ForCausalLM: 'gemma4_text', Gemma4ForConditionalGeneration: 'gemma4' },
  forward: {
    rotation: 'halves',
    activation: 'gelu',
    scaledEmbedding: true,
    scoreScale: 1,
    unitValues: true,
    keysAsValues: true,
    statesLayers: true,
    firstSharing: 'stated',
    normalizedExperts: true,
    ownParts: [
      ...perLayerTensors,
      'layer_output_scale.weight',
      'post_ffw_norm_1.weight',
      'pre_ffw_norm_2.weight',
      'post_ffw_norm_2.weight',
      'ffn_gate_inp.scale',
    ],
  },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole, true);
    const model = readGemma4(config, tied);
    return {
      prefixes,
      leftOut: { ...leftOut, ...seeingPart, ...hearingPart, ...unusedKeys(model) },
      ignored: usualIgnored,
      ...tiedOutput(model),
      keyValues: keyValuesOf(config, model),
      tensors: [
        ...partRules(withVocabulary(outerParts(model), model.vocabulary)),
        ...(model.perLayer ? partRules(perLayerOuterParts(model, model.perLayer, model.vocabulary)) : []),
        blockRules('layers', model.blocks, (block) => blockParts(model, block)),
      ],
      computed: [
        { to: 'rope_freqs.weight', values: model.divisors, reason: said`rope parameters of config.json` },
      ],
    };
  },
};

/** One number where all layers have the same, else a list. */
function perBlock(key: string, values: readonly number[]): KeyValue {
  return new Set(values).size === 1 ? u32(key, values[0]!) : u32s(key, values);
}

function keyValuesOf(config: ConfigReader, model: Gemma4): KeyValue[] {
  const { layers, sliding, full, experts } = model;
  return [
    u32('context_length', model.contextLength),
    u32('embedding_length', model.hiddenSize),
    u32('block_count', model.blocks),
    perBlock(
      'feed_forward_length',
      layers.map(({ feedForwardSize }) => feedForwardSize),
    ),
    u32('attention.head_count', model.heads),
    perBlock(
      'attention.head_count_kv',
      layers.map(({ slides }) => (slides ? sliding : full).kvHeads),
    ),
    u32('attention.key_length', full.headSize),
    u32('attention.value_length', full.headSize),
    u32('attention.key_length_swa', sliding.headSize),
    u32('attention.value_length_swa', sliding.headSize),
    u32('rope.dimension_count', full.headSize),
    u32('rope.dimension_count_swa', sliding.headSize),
    f32('rope.freq_base', full.theta),
    f32('rope.freq_base_swa', sliding.theta),
    rmsEpsilon(config),
    u32('attention.sliding_window', config.integer('sliding_window', 512)),
    {
      ...{ key: 'attention.sliding_window_pattern', type: 'array', elementType: 'bool' },
      values: layers.map(({ slides }) => slides),
    },
    u32('attention.shared_kv_layers', layers.filter(({ isShared }) => isShared).length),
    u32('embedding_length_per_layer_input', model.perLayer?.size ?? 0),
    ...(config.has('final_logit_softcapping')
      ? [f32('final_logit_softcapping', config.number('final_logit_softcapping'))]
      : []),
    ...(experts
      ? [
          u32('expert_count', experts.count),
          u32('expert_used_count', experts.used),
          u32('expert_feed_forward_length', experts.size),
        ]
      : []),
  ];
}

/** Layers that take keys and values of earlier ones may still have matrices for their own, which transformers does not load. */
function unusedKeys({ layers }: Gemma4): Required<Conversion>['leftOut'] {
  const shared = layers.flatMap(({ isShared }, layer) => (isShared ? [layer] : []));
  if (shared.length === 0) return {};
  const names = new RegExp(`^layers\\.(${shared.join('|')})\\.self_attn\\.([kv]_proj|[kv]_norm)\\.`);
  return { 'unused projection of keys and values of layers that share those of others': names };
}

function blockParts(model: Gemma4, block: number): Part[] {
  const { feedForwardSize, slides, isShared } = model.layers[block]!;
  const { headSize, kvHeads, sameValues } = slides ? model.sliding : model.full;
  const left = [...(isShared ? ['attn_k', 'attn_k_norm', 'attn_v'] : []), ...(sameValues ? ['attn_v'] : [])];
  const sizes = { ...model, headSize, kvHeads, feedForwardSize };
  return [
    ...gemmaNormParts(sizes),
    ...[...attentionParts(sizes), ...headNormParts(headSize)].filter(({ to }) => !left.includes(to)),
    ...gatedParts(sizes),
    ...(model.experts ? mixtureParts(model.hiddenSize, model.experts) : []),
    ...(model.perLayer ? perLayerBlockParts(sizes, model.perLayer.size) : []),
    { from: 'layer_scalar', to: 'layer_output_scale.weight', shape: [1], exact: true, optional: true },
  ];
}

/** Experts beside the feed-forward network, with norms of their own around both. */
function mixtureParts(hiddenSize: number, experts: NonNullable<Gemma4['experts']>): Part[] {
  const norm = (from: string, to: string): Part => ({ from, to, shape: [hiddenSize] });
  return [
    norm('post_feedforward_layernorm_1', 'post_ffw_norm_1'),
    norm('pre_feedforward_layernorm_2', 'pre_ffw_norm_2'),
    norm('post_feedforward_layernorm_2', 'post_ffw_norm_2'),
    { from: 'router.proj', to: 'ffn_gate_inp', shape: [experts.count, hiddenSize] },
    { from: 'router.scale', to: 'ffn_gate_inp.scale', shape: [hiddenSize], exact: true },
    { from: 'router.per_expert_scale', to: 'ffn_down_exps.scale', shape: [experts.count], exact: true },
    ...expertParts(
      { ...experts, hiddenSize },
      (expert) => ({
        gate: `experts.${expert}.gate_proj`,
        up: `experts.${expert}.up_proj`,
        down: `experts.${expert}.down_proj`,
      }),
      { prefix: 'experts', transposed: false },
    ),
  ];
}
