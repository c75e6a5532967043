import { tiedOutput, usualIgnored } from '../decoderParts';
import type { ArchitectureDescription } from '../description';
import {
  gemma3KeyValues,
  gemma3Rules,
  patternKeyValues,
  readGemma3,
  usualPeriod,
  windowOf,
  windowPeriod,
} from './gemma3Parts';
import { f32, u32 } from '../keyValues';
import { textPart } from '../textPart';
import { said } from '../../protocol/said';

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
    const { config, tied, prefixes, leftOut } = textPart(whole, true);
    config.expect('use_bidirectional_attention', false, false);
    const { decoder, localTheta } = readGemma3(config, tied, largeBlocks);
    const { kind } = decoder.rope.scaling;
    if (kind !== 'none' && kind !== 'linear')
      throw config.unsupported(
        said`Rope scaling other than linear cannot be exported for this architecture: llama.cpp would also apply it to layers with a sliding window.`,
      );
    const { period } = windowPeriod(config, decoder);
    return {
      ...{ prefixes, leftOut, ignored: usualIgnored },
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
