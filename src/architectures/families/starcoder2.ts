import {
  decoderKeyValues,
  expectGelu,
  expectSquareAttention,
  layerNormEpsilon,
  readDecoder,
  type Decoder,
} from '../decoder';
import { attentionParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { u32 } from '../keyValues';
import { refuseFactors } from '../rope';
import { windowWithoutKey } from '../slidingWindow';

/**
 * StarCoder 2: layer norms, biases, a plain feed-forward network. Its sliding window is written, but llama.cpp attends to
 * everything.
 */
export const starcoder2: ArchitectureDescription = {
  name: 'starcoder2',
  family: 'StarCoder 2',
  remark: 'llama.cpp has no window for it',
  classes: { Starcoder2ForCausalLM: 'starcoder2' },
  forward: { rotation: 'halves', activation: 'gelu', centredNorms: true },
  convert(config) {
    expectGelu(config, 'hidden_act', 'gelu_pytorch_tanh');
    config.expect('use_bias', true, true);
    config.expect('norm_type', 'layer_norm', 'layer_norm');
    config.expect('mlp_type', 'default', 'default');
    const decoder = readDecoder(config, {
      blocks: 30,
      hiddenSize: 3072,
      feedForwardSize: 12288,
      heads: 24,
      kvHeads: 2,
      contextLength: 4096,
      tied: true,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        layerNormEpsilon(config, 'norm_epsilon'),
        ...(config.has('sliding_window')
          ? [u32('attention.sliding_window', config.integer('sliding_window'))]
          : []),
      ],
      tensors: tensorRules(decoder),
    };
  },
};

function tensorRules(decoder: Decoder): Conversion['tensors'] {
  const { hiddenSize, feedForwardSize, tied } = decoder;
  const norm = (from: string, to: string): Part => ({ from, to, shape: [hiddenSize], bias: 'required' });
  return [
    ...partRules([
      { from: 'embed_tokens', to: 'token_embd', shape: ['any', hiddenSize] },
      norm('norm', 'output_norm'),
      ...(tied ? [] : [{ from: 'lm_head', to: 'output', shape: ['any', hiddenSize] } as const]),
    ]),
    blockRules('layers', decoder.blocks, () => [
      norm('input_layernorm', 'attn_norm'),
      ...attentionParts(decoder, { bias: 'required', outputBias: 'required' }),
      norm('post_attention_layernorm', 'ffn_norm'),
      { from: 'mlp.c_fc', to: 'ffn_up', shape: [feedForwardSize, hiddenSize], bias: 'required' },
      { from: 'mlp.c_proj', to: 'ffn_down', shape: [hiddenSize, feedForwardSize], bias: 'required' },
    ]),
  ];
}
