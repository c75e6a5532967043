import { ConfigReader } from './configReader';
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
  usualIgnored,
} from './decoder';
import type { ArchitectureDescription } from './description';
import { expectAttentionScale, gemmaNormParts, shiftNorms } from './gemmaParts';
import { f32, u32 } from './keyValues';
import { ropeKind } from './rope';
import { slidingLayers, slidingPeriod } from './slidingWindow';

/** Every sixth layer attends to everything, unless a key says otherwise. */
const usualPeriod = 6;

/** Blocks of the model of 27 billion weights, whose scores have another scale. */
const largeBlocks = 62;

/**
 * Gemma 3, and the language part of its models that see: norms of each head's query and key, a sliding window in most layers,
 * which rotate by frequencies of their own.
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
    const { config, localTheta } = flatRope(whole.inner('text_config') ?? whole);
    config.expect('hidden_activation', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh');
    config.expect('attention_bias', false, false);
    config.expect('use_bidirectional_attention', false, false);
    config.expect('attn_logit_softcapping', null, null);
    const decoder = readDecoder(config, {
      blocks: 26,
      hiddenSize: 2304,
      feedForwardSize: 9216,
      heads: 8,
      kvHeads: 4,
      headSize: 256,
      contextLength: 131072,
      ropeTheta: 1_000_000,
      tied: whole.flag('tie_word_embeddings', true),
    });
    const { kind } = decoder.rope.scaling;
    if (kind !== 'none' && kind !== 'linear')
      throw config.unsupported(
        'Rope scaling other than linear cannot be exported for this architecture: llama.cpp would apply it to layers with a sliding window, too.',
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
      ignored: [...usualIgnored(decoder), /^(vision_tower|vision_model|multi_modal_projector)\./],
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
        ...blockRules('layers', decoder.blocks, () =>
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

/**
 * The rotary settings of layers that attend to everything where other architectures have theirs, and the theta of the rest:
 * `rope_parameters` of transformers 5 may hold an object for each kind of layer.
 */
function flatRope(config: ConfigReader): { config: ConfigReader; localTheta: number } {
  const parameters = config.inner('rope_parameters');
  const full = parameters?.inner('full_attention');
  const sliding = parameters?.inner('sliding_attention');
  if (sliding && ropeKind(sliding) !== 'default')
    throw sliding.unsupported('Layers with a sliding window have a rope scaling; GGUF has no place for it.');
  const localTheta = sliding?.has('rope_theta')
    ? sliding.number('rope_theta')
    : config.number('rope_local_base_freq', 10_000);
  if (!full && !sliding) return { config, localTheta };
  const fields = { ...config.fields, rope_parameters: full?.fields };
  return { config: new ConfigReader(fields, config.file), localTheta };
}
