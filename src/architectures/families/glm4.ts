import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import { attentionParts, outerParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { refuseFactors } from '../rope';

/** GLM-4 as transformers' first class for it: half of each head is rotated, neighbouring pairs; gate and up are fused. */
export const glm: ArchitectureDescription = {
  name: 'chatglm',
  family: 'GLM-4',
  classes: { GlmForCausalLM: 'glm' },
  forward: { rotation: 'pairs', activation: 'silu' },
  convert: (config) =>
    conversion(config, readGlm(config, true, 2, 1.5625e-7), ({ hiddenSize }) => [
      { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [hiddenSize] },
    ]),
};

/** GLM-4-0414, GLM-Z1: the same with norms after attention and feed-forward. */
export const glm4: ArchitectureDescription = {
  name: 'glm4',
  family: 'GLM-4-0414, GLM-Z1',
  classes: { Glm4ForCausalLM: 'glm4' },
  forward: { rotation: 'pairs', activation: 'silu' },
  convert: (config) =>
    conversion(config, readGlm(config, false, 2, 1.5625e-7), ({ hiddenSize }) => [
      { from: 'post_self_attn_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
      { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [hiddenSize] },
      { from: 'post_mlp_layernorm', to: 'post_ffw_norm', shape: [hiddenSize] },
    ]),
};

interface Glm {
  readonly decoder: Decoder;
  readonly bias: Part['bias'];
  readonly epsilon: number;
}

function readGlm(config: ConfigReader, biased: boolean, kvHeads: number, epsilon: number): Glm {
  config.expect('hidden_act', 'silu', 'silu');
  const decoder = readDecoder(config, {
    blocks: 40,
    hiddenSize: 4096,
    feedForwardSize: 13_696,
    heads: 32,
    kvHeads,
    headSize: 128,
    contextLength: 131_072,
    partialRotary: 0.5,
  });
  refuseFactors(config, decoder.rope);
  return { decoder, bias: config.flag('attention_bias', biased) ? 'required' : 'optional', epsilon };
}

function conversion(
  config: ConfigReader,
  { decoder, bias, epsilon }: Glm,
  norms: (decoder: Decoder) => readonly Part[],
): Conversion {
  const { hiddenSize, feedForwardSize } = decoder;
  return {
    prefixes: ['model.'],
    ignored: usualIgnored,
    ...tiedOutput(decoder),
    keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, epsilon)],
    tensors: [
      ...partRules(outerParts(decoder)),
      blockRules('layers', decoder.blocks, () => [
        { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
        ...attentionParts(decoder, { bias }),
        ...norms(decoder),
        { from: 'mlp.gate_up_proj', to: 'ffn_up', shape: [2 * feedForwardSize, hiddenSize] },
        { from: 'mlp.down_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
      ]),
    ],
  };
}
