import { hasHead, listedClass } from '../classNames';
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
import { bool, u32 } from '../keyValues';
import { said } from '../../protocol/said';

/**
 * EmbeddingGemma: Gemma 3 without a head, whose tokens see those before and after them, in most layers only those at most half a window
 * away (transformers' `Gemma3TextConfig` halves `sliding_window` as llama.cpp does).
 */
export const gemmaEmbedding: ArchitectureDescription = {
  name: 'gemma-embedding',
  family: 'EmbeddingGemma',
  classes: { Gemma3TextModel: 'gemma3_text' },
  embeds: true,
  forward: { rotation: 'halves', activation: 'gelu', scaledEmbedding: true, windowPeriod: usualPeriod },
  denseLayers: true,
  fits: (config) =>
    config['use_bidirectional_attention'] === true && !hasHead(listedClass(config) ?? 'Gemma3TextModel'),
  convert(config) {
    config.known('use_bidirectional_attention', 'final_logit_softcapping');
    const { decoder, localTheta } = readGemma3(config, true);
    if (decoder.rope.scaling.kind !== 'none')
      throw config.unsupported(
        said`Rope scaling cannot be exported for this architecture: llama.cpp would also apply it to layers with a sliding window.`,
      );
    const { period, layers } = windowPeriod(config, decoder);
    // It allocates a mask of each kind, and ends with an assertion where no layer uses one of them.
    if (!layers.includes(true) || !layers.includes(false))
      throw config.unsupported(
        said`All layers are of one kind; llama.cpp needs some with a sliding window and some without for this architecture.`,
      );
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...gemma3KeyValues(config, decoder, localTheta),
        bool('attention.causal', false),
        u32('attention.sliding_window', windowOf(config)),
        ...patternKeyValues(period),
      ],
      tensors: gemma3Rules(decoder),
    };
  },
};
