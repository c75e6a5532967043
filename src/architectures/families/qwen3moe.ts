import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import {
  attentionParts,
  headNormParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { readQwenExperts } from './qwenExperts';
import { refuseFactors } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';

/** Qwen 3 with experts. */
export const qwen3moe: ArchitectureDescription = {
  name: 'qwen3moe',
  family: 'Qwen 3 with experts',
  classes: { Qwen3MoeForCausalLM: 'qwen3_moe' },
  forward: { rotation: 'halves', activation: 'silu', normalizedExperts: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 24,
      hiddenSize: 2048,
      feedForwardSize: 6144,
      heads: 32,
      kvHeads: 4,
      contextLength: 32768,
    });
    refuseFactors(config, decoder.rope);
    const experts = readQwenExperts(config, decoder, {
      experts: 128,
      used: 8,
      feedForwardSize: 768,
      normalized: true,
    });
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, { switched: true, window: usualWindow }),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config), ...experts.keyValues],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...headNormParts(decoder.headSize),
          ...experts.parts,
        ]),
      ],
    };
  },
};
