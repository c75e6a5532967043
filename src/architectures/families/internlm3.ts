import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { ropeTensors } from '../rope';

/** InternLM 3: llama in GGUF, with two keys for biases of its own. */
export const internlm3: ArchitectureDescription = {
  name: 'llama',
  family: 'InternLM 3',
  classes: { InternLM3ForCausalLM: 'internlm3' },
  forward: { rotation: 'pairs', activation: 'silu', normalizedExperts: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      kvHeads: 32,
      contextLength: 32_768,
    });
    const biasIf = (key: string): Pick<Part, 'bias'> => (config.flag(key, false) ? { bias: 'required' } : {});
    const { bias: outputBias } = biasIf('bias');
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, {
            ...biasIf('qkv_bias'),
            ...(outputBias ? { outputBias } : {}),
            interleaved: true,
          }),
          ...gatedParts(decoder, outputBias),
        ]),
      ],
    };
  },
};
