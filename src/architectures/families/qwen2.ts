import { decoderKeyValues, expectSquareAttention, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { refuseFactors } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';

/** Qwen 1.5, 2 and 2.5: llama with biases of query, key and value, and halves rotated instead of pairs. */
export const qwen2: ArchitectureDescription = {
  name: 'qwen2',
  family: 'Qwen 2, 2.5',
  remark: 'llama.cpp has no window for it, where one is enabled',
  classes: { Qwen2ForCausalLM: 'qwen2' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.known('attention_bias', 'use_mrope'); // its class reads neither
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 22016,
      heads: 32,
      kvHeads: 32,
      contextLength: 32768,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const firstWindow = config.integer('max_window_layers', 28, 0);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, {
        switched: true,
        window: usualWindow,
        rule: (layer) => layer >= firstWindow,
      }),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { bias: 'required' }),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};
