import { decoderKeyValues, expectSquareAttention, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';
import { readQwenExperts, sharedExpertParts } from './qwenExperts';
import { refuseFactors } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';

/** Qwen 1.5 and 2 with experts: those that a router chooses, and one with its own gate that all tokens share. */
export const qwen2moe: ArchitectureDescription = {
  name: 'qwen2moe',
  family: 'Qwen 1.5 and 2 with experts',
  classes: { Qwen2MoeForCausalLM: 'qwen2_moe' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, {
      blocks: 24,
      hiddenSize: 2048,
      feedForwardSize: 5632,
      heads: 16,
      kvHeads: 16,
      contextLength: 32768,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const windowEnd = config.integer('max_window_layers', 28, 0);
    const experts = readQwenExperts(config, decoder, {
      experts: 60,
      used: 4,
      feedForwardSize: 1408,
      normalized: false,
    });
    const shared = config.integer('shared_expert_intermediate_size', 5632);
    const bias = config.flag('qkv_bias', true) ? ({ bias: 'required' } as const) : {};
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, {
        switched: true,
        window: usualWindow,
        rule: (layer) => layer % 2 === 0 && layer < windowEnd,
      }),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config),
        ...experts.keyValues,
        u32('expert_shared_feed_forward_length', shared),
      ],
      tensors: [
        ...partRules(outerParts(decoder, { copyTied: true })),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, bias),
          ...experts.parts,
          ...sharedExpertParts(decoder, shared),
        ]),
      ],
    };
  },
};
