import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { refuseFactors } from '../rope';

/** Seed-OSS: llama with biases of queries, keys and values. GGUF calls the norm before the feed-forward network by another name. */
export const seedOss: ArchitectureDescription = {
  name: 'seed_oss',
  family: 'Seed-OSS',
  classes: { SeedOssForCausalLM: 'seed_oss' },
  forward: { rotation: 'halves', activation: 'silu', feedForwardNorm: 'post_attention_norm' },
  convert(config) {
    config.known('residual_dropout');
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_out_bias', false, false);
    config.expect('mlp_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 64,
      hiddenSize: 4096,
      feedForwardSize: 27648,
      heads: 80,
      kvHeads: 8,
      headSize: 128,
      contextLength: 524_288,
    });
    refuseFactors(config, decoder.rope);
    const { hiddenSize } = decoder;
    const bias = config.flag('attention_bias', true) ? ({ bias: 'required' } as const) : {};
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
          ...attentionParts(decoder, bias),
          { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};
