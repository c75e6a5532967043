import { decoderKeyValues, layerNormEpsilon, readDecoder } from '../decoder';
import { attentionParts, normParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { shiftNorms } from './gemmaParts';
import { refuseFactors } from '../rope';

/** Nemotron 3 and 4, Minitron: layer norms of 1 + w with biases, a squared ReLU without a gate, heads rotated in part. */
export const nemotron: ArchitectureDescription = {
  name: 'nemotron',
  family: 'Nemotron 3 and 4, Minitron',
  classes: { NemotronForCausalLM: 'nemotron' },
  forward: { rotation: 'halves', activation: 'squaredRelu', centredNorms: true },
  convert(config) {
    config.expect('hidden_act', 'relu2', 'relu2');
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 6144,
      feedForwardSize: 24576,
      heads: 48,
      partialRotary: 0.5,
      contextLength: 4096,
    });
    refuseFactors(config, decoder.rope);
    const { hiddenSize, feedForwardSize } = decoder;
    const biasIf = (key: string) => (config.flag(key, false) ? ({ bias: 'required' } as const) : {});
    const attentionBias = biasIf('attention_bias');
    const mlpBias = biasIf('mlp_bias');
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), layerNormEpsilon(config, 'norm_eps')],
      tensors: [
        ...partRules(withBiases(outerParts(decoder, { copyTied: true }))),
        blockRules('layers', decoder.blocks, () => [
          ...withBiases(normParts(decoder)),
          ...attentionParts(decoder, { ...attentionBias, outputBias: attentionBias.bias }),
          { from: 'mlp.up_proj', to: 'ffn_up', shape: [feedForwardSize, hiddenSize], ...mlpBias },
          { from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize], ...mlpBias },
        ]),
      ],
    };
  },
};

/** Norms have biases, which are not shifted. */
const withBiases = (parts: readonly Part[]): Part[] =>
  shiftNorms(parts).map((part) => (part.to.endsWith('_norm') ? { ...part, bias: 'required' } : part));
