import { tiedOutput, usualIgnored } from './decoder';
import type { ArchitectureDescription } from './description';
import {
  gemma3KeyValues,
  gemma3Rules,
  patternKeyValues,
  readGemma3,
  usualPeriod,
  windowOf,
  windowPeriod,
} from './gemma3Parts';
import { f32, u32 } from './keyValues';

/** Blocks of the 27B model, whose scores have another scale. */
const largeBlocks = 62;

/**
 * Gemma 3, and the language part of its multimodal models: norms of each head's query and key, a sliding window in most layers,
 * which rotate with their own frequencies.
 */
export const gemma3: ArchitectureDescription = {
  name: 'gemma3',
  family: 'Gemma 3 (text)',
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
    config.expect('use_bidirectional_attention', false, false);
    const { decoder, localTheta } = readGemma3(config, whole.tied(true), largeBlocks);
    const { kind } = decoder.rope.scaling;
    if (kind !== 'none' && kind !== 'linear')
      throw config.unsupported(
        'Rope scaling other than linear cannot be exported for this architecture: llama.cpp would also apply it to layers with a sliding window.',
      );
    const { period } = windowPeriod(config, decoder);
    return {
      prefixes: ['language_model.model.', 'model.language_model.', 'language_model.', 'model.'],
      ignored: [...usualIgnored, /^(vision_tower|vision_model|multi_modal_projector)\./],
      ...tiedOutput(decoder),
      keyValues: [
        ...gemma3KeyValues(config, decoder, localTheta),
        ...(config.has('final_logit_softcapping')
          ? [f32('final_logit_softcapping', config.number('final_logit_softcapping'))]
          : []),
        ...(period === undefined ? [] : [u32('attention.sliding_window', windowOf(config))]),
        ...patternKeyValues(period),
      ],
      tensors: gemma3Rules(decoder),
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
