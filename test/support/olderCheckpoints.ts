import {
  architecture,
  blocks,
  dense,
  heads,
  hidden,
  llamaNorms,
  newer,
  norms,
  vocabulary,
  wide,
  withBiases,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

const gpt2Config = {
  ...architecture('GPT2LMHeadModel', 'gpt2'),
  ...{ n_embd: hidden, n_layer: 2, n_head: heads, n_positions: 128, n_ctx: 128, vocab_size: vocabulary },
  ...{ layer_norm_epsilon: 1e-5, activation_function: 'gelu_new' },
};
const gpt2Shapes = (prefix: string): Shapes => ({
  [`${prefix}wte.weight`]: [vocabulary, hidden],
  [`${prefix}wpe.weight`]: [128, hidden],
  [`${prefix}ln_f.weight`]: [hidden],
  [`${prefix}ln_f.bias`]: [hidden],
  ...blocks(
    2,
    {
      'ln_1.weight': [hidden],
      'ln_1.bias': [hidden],
      'attn.c_attn.weight': [hidden, 3 * hidden],
      'attn.c_attn.bias': [3 * hidden],
      'attn.c_proj.weight': [hidden, hidden],
      'attn.c_proj.bias': [hidden],
      'ln_2.weight': [hidden],
      'ln_2.bias': [hidden],
      'mlp.c_fc.weight': [hidden, 4 * hidden],
      'mlp.c_fc.bias': [4 * hidden],
      'mlp.c_proj.weight': [4 * hidden, hidden],
      'mlp.c_proj.bias': [hidden],
    },
    `${prefix}h`,
  ),
});
/** The triangles of masks that old checkpoints carry along. */
const masks = (prefix: string): Shapes => blocks(2, { 'attn.bias': [1, 1, 128, 128] }, `${prefix}h`);

const neoX = (parallel: boolean): CheckpointSpec => ({
  config: {
    ...architecture('GPTNeoXForCausalLM', 'gpt_neox'),
    ...dense,
    ...{ num_hidden_layers: 2, vocab_size: vocabulary, max_position_embeddings: 256, hidden_act: 'gelu' },
    ...{ rotary_pct: 0.25, rotary_emb_base: 10_000, layer_norm_eps: 1e-5 },
    ...{ use_parallel_residual: parallel, tie_word_embeddings: false },
  },
  shapes: {
    'gpt_neox.embed_in.weight': [vocabulary, hidden],
    ...withBiases({ 'gpt_neox.final_layer_norm.weight': [hidden] }, /./),
    'embed_out.weight': [vocabulary, hidden],
    ...blocks(
      2,
      withBiases(
        {
          ...llamaNorms,
          'attention.query_key_value.weight': [3 * hidden, hidden],
          'attention.dense.weight': [hidden, hidden],
          'mlp.dense_h_to_4h.weight': [wide, hidden],
          'mlp.dense_4h_to_h.weight': [hidden, wide],
        },
        /./,
      ),
      'gpt_neox.layers',
    ),
  },
});

const falcon = (isNew: boolean): CheckpointSpec => ({
  config: {
    ...architecture('FalconForCausalLM', 'falcon'),
    ...{ hidden_size: hidden, num_attention_heads: heads, num_hidden_layers: 2, vocab_size: vocabulary },
    ...{ layer_norm_epsilon: 1e-5, bias: false, parallel_attn: true, alibi: false },
    activation: 'gelu',
    ...(isNew ? { new_decoder_architecture: true, num_kv_heads: 2 } : { multi_query: true }),
    rope_theta: 10_000,
    max_position_embeddings: 256,
  },
  shapes: {
    'transformer.word_embeddings.weight': [vocabulary, hidden],
    ...withBiases({ 'transformer.ln_f.weight': [hidden] }, /./),
    ...blocks(
      2,
      {
        ...withBiases(isNew ? norms('ln_attn', 'ln_mlp') : norms('input_layernorm'), /./),
        'self_attention.query_key_value.weight': [(heads + (isNew ? 4 : 2)) * 16, hidden],
        'self_attention.dense.weight': [hidden, hidden],
        'mlp.dense_h_to_4h.weight': [4 * hidden, hidden],
        'mlp.dense_4h_to_h.weight': [hidden, 4 * hidden],
      },
      'transformer.h',
    ),
  },
});

/** Buffers of old checkpoints. */
const neoXBuffers = blocks(
  2,
  {
    'attention.bias': [1, 1, 64, 64],
    'attention.masked_bias': [],
    'attention.rotary_emb.inv_freq': [2],
  },
  'gpt_neox.layers',
);

/** Those with fused query, key and value under names of their own. */
export const olderCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  gpt2: { config: gpt2Config, shapes: { ...gpt2Shapes(''), ...masks('') } },
  'gpt2 with prefix': { config: gpt2Config, shapes: gpt2Shapes('transformer.') },
  gptneox: neoX(true),
  'gptneox without parallel residual': neoX(false),
  'gptneox with buffers, as transformers 5 writes it': newer(
    { ...neoX(true), shapes: { ...neoX(true).shapes, ...neoXBuffers } },
    { rope_parameters: { rope_theta: 5000, rope_type: 'default', partial_rotary_factor: 0.5 } },
    ...['rotary_pct', 'rotary_emb_base'],
  ),
  'falcon 7B': falcon(false),
  'falcon 7B, saved again': newer(falcon(false), {
    ...{ num_kv_heads: heads, new_decoder_architecture: false, num_ln_in_parallel_attn: null },
    ffn_hidden_size: 4 * hidden,
  }),
  'falcon 40B': falcon(true),
  'falcon 11B': {
    config: { ...falcon(true).config, num_ln_in_parallel_attn: 1 },
    shapes: Object.fromEntries(
      Object.entries(falcon(true).shapes)
        .filter(([name]) => !name.includes('ln_mlp'))
        .map(([name, shape]) => [name.replace('ln_attn', 'input_layernorm'), shape]),
    ),
  },
};
