import { decoderKeyValues, expectSquareAttention, readDecoder, rmsEpsilon } from '../decoder';
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
import { expertParts, usualExpertNames } from '../experts';
import { u32 } from '../keyValues';
import { refuseFactors } from '../rope';
import { said } from '../../protocol/said';

/** OLMoE: experts in every block, norms over all heads of query and key together. */
export const olmoe: ArchitectureDescription = {
  name: 'olmoe',
  family: 'OLMoE',
  classes: { OlmoeForCausalLM: 'olmoe' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('clip_qkv', null, null);
    config.expect('norm_topk_prob', false, false);
    const decoder = readDecoder(config, {
      blocks: 16,
      hiddenSize: 2048,
      feedForwardSize: 2048,
      heads: 16,
      contextLength: 4096,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const { hiddenSize, feedForwardSize: size, heads, kvHeads } = decoder;
    if (kvHeads !== heads)
      throw config.unsupported(
        said`${heads} heads share ${kvHeads} keys; llama.cpp expects as many keys as heads in this architecture.`,
      );
    const count = config.count('num_experts', 64);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('expert_count', count),
        u32('expert_used_count', config.integer('num_experts_per_tok', 8)),
      ],
      tensors: [
        ...partRules(outerParts(decoder, { copyTied: true })),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...headNormParts(hiddenSize),
          { from: 'mlp.gate', to: 'ffn_gate_inp', shape: [count, hiddenSize] },
          ...expertParts({ count, size, hiddenSize }, usualExpertNames),
        ]),
      ],
    };
  },
};
