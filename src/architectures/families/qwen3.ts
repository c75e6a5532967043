import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { refuseFactors } from '../rope';
import { usualWindow, windowWithoutKey } from '../slidingWindow';

/** Qwen 3: no biases, but a norm of each head's query and key. */
export const qwen3: ArchitectureDescription = {
  name: 'qwen3',
  family: 'Qwen 3',
  remark: 'llama.cpp has no window for it, where one is enabled',
  classes: { Qwen3ForCausalLM: 'qwen3' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 22016,
      heads: 32,
      kvHeads: 32,
      headSize: 128,
      contextLength: 32768,
    });
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
          ...attentionParts(decoder),
          ...headNormParts(decoder.headSize),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};
