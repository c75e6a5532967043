import type { ArchitectureDescription } from './description';
import {
  attentionParts,
  blockRules,
  decoderKeyValues,
  gatedParts,
  normParts,
  outerParts,
  partRules,
  readDecoder,
  rmsEpsilon,
  usualIgnored,
} from './decoder';
import { ropeTensors } from './rope';
import { usualWindow, windowNotes } from './slidingWindow';

/** Llama 1 to 3, Mistral 7B, SmolLM and all that share their layout. llama.cpp rotates neighbouring pairs. */
export const llama: ArchitectureDescription = {
  name: 'llama',
  classes: { LlamaForCausalLM: 'llama', MistralForCausalLM: 'mistral' },
  forward: { rotation: 'pairs', activation: 'silu', normalizedExperts: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored(decoder),
      notes: config.isOf('MistralForCausalLM', 'mistral')
        ? windowNotes(config, decoder, { window: usualWindow })
        : [],
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        ...blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { bias: 'optional', outputBias: 'optional', interleaved: true }),
          ...gatedParts(decoder, 'optional'),
        ]),
      ],
    };
  },
};
