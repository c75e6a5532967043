import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { shiftNorms } from './gemmaParts';
import { refuseFactors } from '../rope';

/** Gemma 1: heads wider than the hidden size, GELU, norms around 1. llama.cpp always takes the embedding as output. */
export const gemma: ArchitectureDescription = {
  name: 'gemma',
  family: 'Gemma',
  classes: { GemmaForCausalLM: 'gemma' },
  forward: { rotation: 'halves', activation: 'gelu', scaledEmbedding: true },
  convert(config) {
    config.known('hidden_act');
    // The first files say "gelu" and mean its approximation, which `hidden_activation` then states.
    if (config.has('hidden_activation')) config.expect('hidden_activation', '', 'gelu_pytorch_tanh');
    else config.expect('hidden_act', 'gelu_pytorch_tanh', 'gelu_pytorch_tanh', 'gelu');
    config.expect('attention_bias', false, false);
    config.expectTied();
    config.expect('use_bidirectional_attention', false, false);
    const decoder = readDecoder(config, {
      blocks: 28,
      hiddenSize: 3072,
      feedForwardSize: 24576,
      heads: 16,
      kvHeads: 16,
      headSize: 256,
      contextLength: 8192,
      tied: true,
    });
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      tensors: [
        ...partRules(shiftNorms(outerParts(decoder))),
        blockRules('layers', decoder.blocks, () =>
          shiftNorms([...normParts(decoder), ...attentionParts(decoder), ...gatedParts(decoder)]),
        ),
      ],
    };
  },
};
