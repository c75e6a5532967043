import {
  decoderKeyValues,
  expectGelu,
  expectSquareAttention,
  layerNormEpsilon,
  readDecoder,
  type Decoder,
} from '../decoder';
import { groupedRows, tiedOutput } from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { bool } from '../keyValues';
import { refuseFactors } from '../rope';

/** GPT-NeoX and Pythia: query, key and value fused head by head, which GGUF has one after the other. */
export const gptneox: ArchitectureDescription = {
  name: 'gptneox',
  family: 'GPT-NeoX, Pythia',
  classes: { GPTNeoXForCausalLM: 'gpt_neox' },
  convert(config) {
    expectGelu(config, 'hidden_act', 'gelu');
    config.expect('attention_bias', true, true);
    const decoder = readDecoder(config, {
      blocks: 44,
      hiddenSize: 6144,
      feedForwardSize: 24576,
      heads: 64,
      contextLength: 2048,
      ropeTheta: config.number('rotary_emb_base', 10_000),
      partialRotary: config.number('rotary_pct', 0.25),
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['gpt_neox.'],
      // Masks and frequencies are buffers of the class.
      ignored: [/\.attention\.(masked_)?bias$/, /rotary_emb\.inv_freq$/],
      ...tiedOutput(decoder, 'embed_out.weight', 'embed_in.weight'),
      keyValues: [
        ...decoderKeyValues(decoder),
        layerNormEpsilon(config, 'layer_norm_eps'),
        bool('use_parallel_residual', config.flag('use_parallel_residual', true)),
      ],
      tensors: tensorRules(decoder),
    };
  },
};

function tensorRules(decoder: Decoder): Conversion['tensors'] {
  const { hiddenSize, feedForwardSize, heads, headSize, tied } = decoder;
  return [
    ...partRules([
      { from: 'embed_in', to: 'token_embd', shape: ['any', hiddenSize] },
      { from: 'final_layer_norm', to: 'output_norm', shape: [hiddenSize], bias: 'required' },
      // llama.cpp always requires the output.
      { from: tied ? 'embed_in' : 'embed_out', to: 'output', shape: ['any', hiddenSize] },
    ]),
    blockRules('layers', decoder.blocks, () => [
      { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize], bias: 'required' },
      {
        from: 'attention.query_key_value',
        to: 'attn_qkv',
        shape: [3 * hiddenSize, hiddenSize],
        bias: 'required',
        rule: { rows: groupedRows(heads, 1, headSize) },
      },
      { from: 'attention.dense', to: 'attn_output', shape: [hiddenSize, hiddenSize], bias: 'required' },
      { from: 'post_attention_layernorm', to: 'ffn_norm', shape: [hiddenSize], bias: 'required' },
      {
        from: 'mlp.dense_h_to_4h',
        to: 'ffn_up',
        shape: [feedForwardSize, hiddenSize],
        bias: 'required',
      },
      {
        from: 'mlp.dense_4h_to_h',
        to: 'ffn_down',
        shape: [hiddenSize, feedForwardSize],
        bias: 'required',
      },
    ]),
  ];
}
