import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { ropeTensors } from '../rope';

/** Arcee (AFM): llama with a squared ReLU and no gate. */
export const arcee: ArchitectureDescription = {
  name: 'arcee',
  family: 'Arcee AFM',
  classes: { ArceeForCausalLM: 'arcee' },
  forward: { rotation: 'pairs', activation: 'squaredRelu' },
  convert(config) {
    config.expect('hidden_act', 'relu2', 'relu2');
    config.expect('attention_bias', false, false);
    config.expect('mlp_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 2560,
      feedForwardSize: 18432,
      heads: 32,
      contextLength: 4096,
    });
    const { hiddenSize, feedForwardSize } = decoder;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5)],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          { from: 'mlp.up_proj', to: 'ffn_up', shape: [feedForwardSize, hiddenSize] },
          { from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
        ]),
      ],
    };
  },
};
