import type { ConfigReader } from '../configReader';
import { sharedHeadSize } from '../decoder';
import { blockRules, partRules, type Part } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { encoderKeyValues, layerNormParts, maskedWordHead, type Encoder } from './encoderParts';
import { f32 } from '../keyValues';

/** BERT of Nomic Embed 1 and 1.5: rotary embedding, gated feed-forward networks, no biases. */
export const nomicBert: ArchitectureDescription = {
  name: 'nomic-bert',
  family: 'Nomic Embed (v1, v1.5)',
  classes: { NomicBertModel: 'nomic_bert' },
  embeds: true,
  encodes: { activation: 'silu', normsAfter: true },
  convert(config) {
    expectPublished(config);
    const hiddenSize = config.integer('n_embd', 768);
    const heads = config.count('n_head', 12);
    sharedHeadSize(config, hiddenSize, heads);
    const tokenTypes = config.integer('type_vocab_size', 2);
    const encoder: Encoder = {
      ...{ hiddenSize, heads },
      blocks: config.layers('n_layer', 12),
      feedForwardSize: config.integer('n_inner', 3072),
      // Beyond what it was trained on, frequencies depend on the length of the text.
      contextLength: Math.min(
        config.integer('n_positions', 8192),
        config.integer('max_trained_positions', 2048),
      ),
    };
    return {
      ignored: [/^pooler\.dense\./],
      leftOut: maskedWordHead,
      tokenTypes,
      keyValues: [
        ...encoderKeyValues(config, encoder, ['layer_norm_epsilon', 1e-12]),
        f32('rope.freq_base', config.number('rotary_emb_base', 10_000)),
      ],
      tensors: tensorRules(encoder, tokenTypes),
    };
  },
};

/** @throws QuantscopeError UNSUPPORTED for settings other than those of the published models, which llama.cpp assumes. */
function expectPublished(config: ConfigReader): void {
  config.expect('activation_function', 'gelu', 'swiglu');
  config.expect('moe_every_n_layers', 0, 0);
  config.expect('rotary_emb_fraction', 0, 1);
  config.expect('rotary_emb_scale_base', null, null);
  for (const key of ['qkv_proj_bias', 'mlp_fc1_bias', 'mlp_fc2_bias']) config.expect(key, true, false);
  for (const key of ['prenorm', 'parallel_block', 'use_rms_norm', 'rotary_emb_interleaved', 'causal'])
    config.expect(key, false, false);
  config.expect('scale_attn_weights', true, true);
  config.expect('scale_attn_by_inverse_layer_idx', false, false);
  // How it is computed and trained; the last one counts only for texts that are longer than those of the training.
  config.known('fused_bias_fc', 'fused_dropout_add_ln', 'use_xentropy', 'pad_vocab_size_multiple');
  config.known('max_position_embeddings', 'tie_word_embeddings', 'rotary_scaling_factor');
}

function tensorRules(
  { blocks, hiddenSize, feedForwardSize }: Encoder,
  tokenTypes: number,
): Conversion['tensors'] {
  const up = (from: string, to: string): Part => ({ from, to, shape: [feedForwardSize, hiddenSize] });
  return [
    ...partRules([
      { from: 'embeddings.word_embeddings', to: 'token_embd', shape: ['any', hiddenSize] },
      { from: 'embeddings.token_type_embeddings', to: 'token_types', shape: [tokenTypes, hiddenSize] },
      ...layerNormParts('emb_ln', 'token_embd_norm', hiddenSize),
    ]),
    blockRules('encoder.layers', blocks, () => [
      { from: 'attn.Wqkv', to: 'attn_qkv', shape: [3 * hiddenSize, hiddenSize] },
      { from: 'attn.out_proj', to: 'attn_output', shape: [hiddenSize, hiddenSize] },
      ...layerNormParts('norm1', 'attn_output_norm', hiddenSize),
      up('mlp.fc11', 'ffn_up'),
      up('mlp.fc12', 'ffn_gate'),
      { from: 'mlp.fc2', to: 'ffn_down', shape: [hiddenSize, feedForwardSize] },
      ...layerNormParts('norm2', 'layer_output_norm', hiddenSize),
    ]),
  ];
}
