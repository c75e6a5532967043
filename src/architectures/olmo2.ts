import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  expectSquareAttention,
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
import { refuseFactors } from './rope';

/** OLMo 2: norms after attention and feed-forward instead of before, and over all heads of query and key together. */
export const olmo2: ArchitectureDescription = {
  name: 'olmo2',
  family: 'OLMo 2',
  classes: { Olmo2ForCausalLM: 'olmo2' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      contextLength: 2048,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const { hiddenSize, kvHeads, headSize } = decoder;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5)],
      tensors: [
        ...partRules(outerParts(decoder, { copyTied: true })),
        blockRules('layers', decoder.blocks, () => [
          ...attentionParts(decoder),
          ...headNormParts(hiddenSize, kvHeads * headSize),
          { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          ...gatedParts(decoder),
          { from: 'post_feedforward_layernorm', to: 'post_ffw_norm', shape: [hiddenSize] },
        ]),
      ],
    };
  },
};
