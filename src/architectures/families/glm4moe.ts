import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import { biasRules, furtherLayers, mixtureParts, readExperts } from './deepseekExperts';
import type { ArchitectureDescription } from '../description';
import { refuseFactors } from '../rope';

/**
 * GLM-4.5 to 4.7 and GLM-4.5-Air: experts as DeepSeek V3 has them, without groups, after some dense blocks. Layers that predict further tokens
 * are left out.
 */
export const glm4moe: ArchitectureDescription = {
  name: 'glm4moe',
  family: 'GLM-4.5 to 4.7, GLM-4.5-Air',
  classes: { Glm4MoeForCausalLM: 'glm4_moe' },
  forward: {
    rotation: 'halves',
    activation: 'silu',
    feedForwardNorm: 'post_attention_norm',
    ownParts: ['exp_probs_b.bias'],
    gating: 'sigmoid',
  },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, {
      blocks: 46,
      hiddenSize: 4096,
      feedForwardSize: 10_944,
      heads: 96,
      kvHeads: 8,
      contextLength: 131_072,
      partialRotary: 0.5,
    });
    refuseFactors(config, decoder.rope);
    config.expect('n_group', 1, 1);
    config.expect('topk_group', 1, 1);
    const experts = readExperts(config, 'glm4_moe');
    const { hiddenSize, headSize } = decoder;
    const bias = config.flag('attention_bias', false) ? 'required' : 'optional';
    const normed = config.flag('use_qk_norm', false);
    return {
      prefixes: ['model.'],
      ignored: [...usualIgnored, ...furtherLayers(config, decoder.blocks, 0)],
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5), ...experts.keyValues],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, (block) => [
          { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
          ...attentionParts(decoder, { bias }),
          ...(normed ? headNormParts(headSize) : []),
          { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          ...(block < experts.denseBlocks ? gatedParts(decoder) : mixtureParts(hiddenSize, experts)),
        ]),
        ...biasRules(decoder.blocks, experts),
      ],
    };
  },
};
