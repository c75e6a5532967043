import { decoderKeyValues, readDecoder, rmsEpsilon } from '../decoder';
import { attentionParts, gatedParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { refuseFactors } from '../rope';
import { windowWithoutKey } from '../slidingWindow';
import { said } from '../../protocol/said';

/** llama.cpp omits the rotary embedding in every so many layers; it has no key for another number. */
const interval = 4;

/** SmolLM 3: llama without rotary embedding in every fourth layer. */
export const smollm3: ArchitectureDescription = {
  name: 'smollm3',
  family: 'SmolLM 3',
  remark: 'llama.cpp has no window for it, where one is enabled',
  classes: { SmolLM3ForCausalLM: 'smollm3' },
  forward: { rotation: 'pairs', activation: 'silu', rotationPeriod: interval },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    config.expect('mlp_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 36,
      hiddenSize: 2048,
      feedForwardSize: 11008,
      heads: 16,
      kvHeads: 4,
      contextLength: 32768,
      ropeTheta: 2_000_000,
      tied: true,
    });
    refuseFactors(config, decoder.rope);
    const rotated = config.numbers('no_rope_layers');
    const stated = config.integer('no_rope_layer_interval', interval);
    for (let layer = 0; layer < decoder.blocks; layer++) {
      const rotates = rotated ? Boolean(rotated[layer]) : (layer + 1) % stated !== 0;
      if (rotates !== ((layer + 1) % interval !== 0))
        throw config.unsupported(
          rotates
            ? said`According to "no_rope_layers", layer ${layer} has rotary embedding; llama.cpp omits it in every ${interval}th layer and no other.`
            : said`According to "no_rope_layers", layer ${layer} lacks rotary embedding; llama.cpp omits it in every ${interval}th layer and no other.`,
        );
    }
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, {
        switched: true,
        rule: (layer) => (layer + 1) % interval === 0,
      }),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { interleaved: true }),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};
