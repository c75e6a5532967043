import {
  decoderKeyValues,
  expectGelu,
  expectSquareAttention,
  layerNormEpsilon,
  readDecoder,
  type Decoder,
} from '../decoder';
import { attentionParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { refuseFactors } from '../rope';

/** Phi 1, 1.5 and 2: parallel attention and feed-forward after one layer norm, biases everywhere. */
export const phi2: ArchitectureDescription = {
  name: 'phi2',
  family: 'Phi 1, 1.5, 2',
  classes: { PhiForCausalLM: 'phi' },
  convert(config) {
    expectGelu(config, 'hidden_act', 'gelu_new');
    config.expect('qk_layernorm', false, false);
    const decoder = readDecoder(config, {
      blocks: 24,
      hiddenSize: 2048,
      feedForwardSize: 8192,
      heads: 32,
      contextLength: 2048,
      partialRotary: 0.5,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), layerNormEpsilon(config, 'layer_norm_eps')],
      tensors: tensorRules(decoder),
    };
  },
};

function tensorRules(decoder: Decoder): Conversion['tensors'] {
  const { hiddenSize, feedForwardSize, tied } = decoder;
  const inputs = attentionParts(decoder, { bias: 'required' }).filter(({ to }) => to !== 'attn_output');
  return [
    ...partRules([
      { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
      { from: 'final_layernorm', to: 'output_norm', shape: [hiddenSize], bias: 'required' },
    ]),
    // llama.cpp always requires the output, which has a bias even where its weight is the embedding's.
    {
      from: [tied ? 'embed_tokens.weight' : 'lm_head.weight'],
      to: 'output.weight',
      shape: ['any', hiddenSize],
    },
    { from: ['lm_head.bias'], to: 'output.bias', shape: ['any'] },
    blockRules('layers', decoder.blocks, () => [
      { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize], bias: 'required' },
      ...inputs,
      {
        from: 'self_attn.dense',
        to: 'attn_output',
        shape: [hiddenSize, hiddenSize],
        bias: 'required',
      },
      { from: 'mlp.fc1', to: 'ffn_up', shape: [feedForwardSize, hiddenSize], bias: 'required' },
      { from: 'mlp.fc2', to: 'ffn_down', shape: [hiddenSize, feedForwardSize], bias: 'required' },
    ]),
  ];
}
