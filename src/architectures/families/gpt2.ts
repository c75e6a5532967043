import { expectGelu, layerNormEpsilon, sharedHeadSize } from '../decoder';
import { tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';

/** GPT-2: learned positions, and matrices that the checkpoint keeps as [in, out]. */
export const gpt2: ArchitectureDescription = {
  name: 'gpt2',
  family: 'GPT-2',
  classes: { GPT2LMHeadModel: 'gpt2' },
  convert(config) {
    expectGelu(config, 'activation_function', 'gelu_new');
    config.expect('scale_attn_weights', true, true);
    config.expect('scale_attn_by_inverse_layer_idx', false, false);
    config.expect('add_cross_attention', false, false);
    const hiddenSize = config.integer(config.spelled('n_embd', 'hidden_size'), 768);
    const heads = config.count(config.spelled('n_head', 'num_attention_heads'), 12);
    const blocks = config.layers(config.spelled('n_layer', 'num_hidden_layers'), 12);
    const positions = config.integer(config.spelled('n_positions', 'max_position_embeddings'), 1024);
    const feedForwardSize = config.integer('n_inner', 4 * hiddenSize);
    const tied = config.tied(true);
    sharedHeadSize(config, hiddenSize, heads);
    return {
      prefixes: ['transformer.'],
      // The causal mask is a buffer of the class.
      ignored: [...usualIgnored, /^h\.\d+\.attn\.(masked_)?bias$/],
      ...tiedOutput({ tied }, 'lm_head.weight', 'wte.weight'),
      keyValues: [
        u32('context_length', positions),
        u32('embedding_length', hiddenSize),
        u32('block_count', blocks),
        u32('feed_forward_length', feedForwardSize),
        u32('attention.head_count', heads),
        layerNormEpsilon(config, 'layer_norm_epsilon'),
      ],
      tensors: [
        ...partRules([
          { from: 'wte', to: 'token_embd', shape: ['any', hiddenSize] },
          { from: 'wpe', to: 'position_embd', shape: [positions, hiddenSize] },
          { from: 'ln_f', to: 'output_norm', shape: [hiddenSize], bias: 'required' },
          ...(tied ? [] : [{ from: 'lm_head', to: 'output', shape: ['any', hiddenSize] } as const]),
        ]),
        blockRules('h', blocks, () => [
          { from: 'ln_1', to: 'attn_norm', shape: [hiddenSize], bias: 'required' },
          transposed('attn.c_attn', 'attn_qkv', 3 * hiddenSize, hiddenSize),
          transposed('attn.c_proj', 'attn_output', hiddenSize, hiddenSize),
          { from: 'ln_2', to: 'ffn_norm', shape: [hiddenSize], bias: 'required' },
          transposed('mlp.c_fc', 'ffn_up', feedForwardSize, hiddenSize),
          transposed('mlp.c_proj', 'ffn_down', hiddenSize, feedForwardSize),
        ]),
      ],
    };
  },
};

const transposed = (from: string, to: string, outputs: number, inputs: number): Part => ({
  from,
  to,
  shape: [outputs, inputs],
  bias: 'required',
  rule: { sourceShape: [inputs, outputs], unit: { rows: inputs, order: 'transpose' } },
});
