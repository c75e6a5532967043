import type { ConfigReader } from './configReader';
import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  gatedParts,
  headNormParts,
  outerParts,
  partRules,
  readDecoder,
  rmsEpsilon,
  tiedOutput,
  usualIgnored,
} from './decoder';
import type { ArchitectureDescription } from './description';
import { expectAttentionScale, gemmaNormParts, shiftNorms } from './gemmaParts';
import { f32, u32 } from './keyValues';
import { readRope, ropeKind, ropeParameters, type Rope } from './rope';
import { slidingLayers, slidingPeriod } from './slidingWindow';

const usualContext = 131_072;

/** Every sixth layer attends to everything, unless a key says otherwise. */
const usualPeriod = 6;

/** Blocks of the 27B model, whose scores have another scale. */
const largeBlocks = 62;

/**
 * Gemma 3, and the language part of its multimodal models: norms of each head's query and key, a sliding window in most layers,
 * which rotate with their own frequencies.
 */
export const gemma3: ArchitectureDescription = {
  name: 'gemma3',
  classes: { Gemma3ForCausalLM: 'gemma3_text', Gemma3ForConditionalGeneration: 'gemma3' },
  forward: {
    rotation: 'halves',
    activation: 'gelu',
    scaledEmbedding: true,
    largeBlocks,
    windowPeriod: usualPeriod,
  },
  convert(whole) {
    const config = whole.inner('text_config') ?? whole;
    if (config !== whole) whole.known(...visionKeys);
    config.known('hidden_act', 'sliding_window', 'rope_local_base_freq');
    config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
    config.expect('attention_bias', false, false);
    config.expect('use_bidirectional_attention', false, false);
    config.expect('attn_logit_softcapping', null, null);
    const { localTheta, rope } = readRopes(config);
    const decoder = readDecoder(config, {
      blocks: 26,
      hiddenSize: 2304,
      feedForwardSize: 9216,
      heads: 8,
      kvHeads: 4,
      headSize: 256,
      contextLength: usualContext,
      rope,
      tied: whole.tied(true),
    });
    const { kind } = decoder.rope.scaling;
    if (kind !== 'none' && kind !== 'linear')
      throw config.unsupported(
        'Rope scaling other than linear cannot be exported for this architecture: llama.cpp would also apply it to layers with a sliding window.',
      );
    expectAttentionScale(config, decoder, largeBlocks);
    const group = config.integer(
      'sliding_window_pattern',
      config.integer('_sliding_window_pattern', usualPeriod),
    );
    const layers = slidingLayers(config, decoder.blocks, (layer) => (layer + 1) % group !== 0);
    const period = slidingPeriod(config, layers, usualPeriod);
    return {
      prefixes: ['language_model.model.', 'model.language_model.', 'language_model.', 'model.'],
      ignored: [...usualIgnored, /^(vision_tower|vision_model|multi_modal_projector)\./],
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        f32('rope.freq_base_swa', localTheta),
        rmsEpsilon(config),
        ...(config.has('final_logit_softcapping')
          ? [f32('final_logit_softcapping', config.number('final_logit_softcapping'))]
          : []),
        ...(period === undefined
          ? []
          : [u32('attention.sliding_window', config.integer('sliding_window', 4096))]),
        ...(period === undefined || period === usualPeriod
          ? []
          : [u32('attention.sliding_window_pattern', period)]),
      ],
      tensors: [
        ...partRules(shiftNorms(outerParts(decoder))),
        blockRules('layers', decoder.blocks, () =>
          shiftNorms([
            ...gemmaNormParts(decoder),
            ...attentionParts(decoder),
            ...headNormParts(decoder.headSize),
            ...gatedParts(decoder),
          ]),
        ),
      ],
    };
  },
};

/** What config.json of a multimodal model has besides its `text_config`. */
const visionKeys = [
  'vision_config',
  'mm_tokens_per_image',
  'image_token_index',
  'boi_token_index',
  'eoi_token_index',
];

/**
 * The rotary settings of layers that attend to everything, and the theta of the rest: `rope_parameters` of transformers 5 may hold
 * an object for each kind of layer.
 */
function readRopes(config: ConfigReader): { localTheta: number; rope: Rope } {
  const parameters = config.inner('rope_parameters');
  const full = parameters?.inner('full_attention');
  const sliding = parameters?.inner('sliding_attention');
  if (sliding && ropeKind(sliding) !== 'default')
    throw sliding.unsupported('Layers with a sliding window have a rope scaling, which GGUF cannot express.');
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
