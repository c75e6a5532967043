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
  tiedOutput,
  usualIgnored,
} from './decoder';
import type { ArchitectureDescription } from './description';
import { refuseFactors } from './rope';

/** ERNIE 4.5 without experts: llama whose heads are rotated by neighbouring pairs in the checkpoint, too. */
export const ernie45: ArchitectureDescription = {
  name: 'ernie4_5',
  family: 'ERNIE 4.5 (dense)',
  classes: { Ernie4_5ForCausalLM: 'ernie4_5', Ernie4_5_ForCausalLM: 'ernie4_5' },
  forward: { rotation: 'pairs', activation: 'silu' },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('use_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 18,
      hiddenSize: 1024,
      feedForwardSize: 3072,
      heads: 16,
      kvHeads: 2,
      headSize: 128,
      contextLength: 131_072,
      ropeTheta: 500_000,
      tied: true,
    });
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};
