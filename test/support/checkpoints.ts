import {
  architecture,
  attention,
  block,
  blocks,
  dense,
  expertsOf,
  gatedMlp,
  headNorms,
  heads,
  hidden,
  llamaConfig,
  llamaNorms,
  llamaShapes,
  norms,
  outer,
  sandwich,
  vocabulary,
  wide,
  withBiases,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';
import { deepseek, deepseek3 } from './deepseekCheckpoints';

const llama3Scaling = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

/** A configuration as transformers 5 writes it. */
const newer = (
  { config, ...rest }: CheckpointSpec,
  change: object,
  ...left: readonly string[]
): CheckpointSpec => ({
  ...rest,
  config: {
    ...Object.fromEntries(Object.entries(config).filter(([key]) => !left.includes(key))),
    ...change,
  },
});

const mixtralBlock: Shapes = {
  ...llamaNorms,
  ...attention(),
  'block_sparse_moe.gate.weight': [4, hidden],
  ...Object.fromEntries(
    Array.from({ length: 4 }, (_, i) => [
      [`block_sparse_moe.experts.${i}.w1.weight`, [wide, hidden]],
      [`block_sparse_moe.experts.${i}.w2.weight`, [hidden, wide]],
      [`block_sparse_moe.experts.${i}.w3.weight`, [wide, hidden]],
    ]).flat() as [string, number[]][],
  ),
};

const qwen3 = (name: string, type: string): Record<string, unknown> =>
  llamaConfig({ ...architecture(name, type), head_dim: 32, rms_norm_eps: 1e-6, rope_theta: 1_000_000 });

const gemmaConfig = (change: object): Record<string, unknown> => {
  const left = new Set(['tie_word_embeddings', 'hidden_act']); // to the defaults of the class
  const rest = Object.entries(llamaConfig()).filter(([key]) => !left.has(key));
  return {
    ...Object.fromEntries(rest),
    ...{ head_dim: 32, hidden_activation: 'gelu_pytorch_tanh', rms_norm_eps: 1e-6 },
    ...change,
  };
};

const phi3Block: Shapes = {
  ...llamaNorms,
  'self_attn.qkv_proj.weight': [(heads + 4) * 16, hidden],
  'self_attn.o_proj.weight': [hidden, hidden],
  'mlp.gate_up_proj.weight': [2 * wide, hidden],
  'mlp.down_proj.weight': [hidden, wide],
};
/** llama.cpp has switched the sliding window of phi3 off, so it is wider than the texts. */
const phi3Config = (change: object = {}) =>
  llamaConfig({ ...architecture('Phi3ForCausalLM', 'phi3'), sliding_window: 2047, ...change });

/** 0.75 of a head is turned: 12 entries. */
const longRope = {
  short_factor: Array.from({ length: 6 }, (_, i) => 1 + 0.1 * i),
  long_factor: Array.from({ length: 6 }, (_, i) => 1 + 2 * i),
};

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

const gemma3: CheckpointSpec = {
  config: gemmaConfig({
    ...architecture('Gemma3ForCausalLM', 'gemma3_text'),
    ...{ query_pre_attn_scalar: 32, sliding_window: 16, sliding_window_pattern: 6, num_hidden_layers: 7 },
    ...{ rope_theta: 1_000_000, rope_local_base_freq: 10_000 },
  }),
  shapes: {
    ...outer(true),
    ...blocks(7, { ...sandwich, ...attention({ head: 32 }), ...headNorms(32), ...gatedMlp() }),
  },
  shiftedNorms: true,
};

const qwen2: CheckpointSpec = {
  config: llamaConfig({ ...architecture('Qwen2ForCausalLM', 'qwen2'), tie_word_embeddings: true }),
  shapes: { ...outer(true), ...blocks(2, withBiases(block(), /[qkv]_proj/)) },
};

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

const allBiased = (shapes: Shapes): Shapes => withBiases(shapes, /./);

/** One checkpoint of each architecture, and of its variants. */
export const checkpoints: Readonly<Record<string, CheckpointSpec>> = {
  llama: { config: llamaConfig(), shapes: llamaShapes(), sharded: true },
  'llama, biases and wide heads': {
    config: llamaConfig({ attention_bias: true, head_dim: 32 }),
    shapes: {
      ...outer(),
      ...blocks(2, { ...withBiases(block({ head: 32 }), /_proj/), ...gatedMlp() }),
      ...blocks(2, { 'self_attn.rotary_emb.inv_freq': [16] }),
    },
  },
  'llama 3 with its rope scaling': {
    config: llamaConfig({ rope_scaling: llama3Scaling }),
    shapes: llamaShapes(),
  },
  'llama with linear rope scaling, as transformers 5 writes it': {
    config: llamaConfig({
      rope_theta: undefined,
      rope_parameters: { rope_theta: 50_000, rope_type: 'linear', factor: 4 },
    }),
    shapes: llamaShapes(),
  },
  mistral: { config: llamaConfig(architecture('MistralForCausalLM', 'mistral')), shapes: llamaShapes() },
  mixtral: {
    config: llamaConfig({
      ...architecture('MixtralForCausalLM', 'mixtral'),
      ...{ num_local_experts: 4, num_experts_per_tok: 2 },
    }),
    shapes: { ...outer(), ...blocks(2, mixtralBlock) },
  },
  'llama, biases everywhere, in float16': {
    config: llamaConfig({ attention_bias: true, mlp_bias: true }),
    shapes: { ...outer(), ...blocks(2, withBiases(block(), /_proj/)) },
    dtype: 'F16',
  },
  qwen2,
  'qwen2 with YaRN': newer(qwen2, { rope_scaling: yarn, max_position_embeddings: 4096 }),
  qwen2moe: {
    config: llamaConfig({
      ...architecture('Qwen2MoeForCausalLM', 'qwen2_moe'),
      ...{ num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32, norm_topk_prob: false },
      ...{ shared_expert_intermediate_size: 64, decoder_sparse_step: 1, mlp_only_layers: [] },
    }),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...withBiases(attention(), /[qkv]_proj/),
        'mlp.gate.weight': [4, hidden],
        ...expertsOf(4, 'mlp.experts', 32),
        ...gatedMlp('mlp.shared_expert', 64),
        'mlp.shared_expert_gate.weight': [1, hidden],
      }),
    },
  },
  qwen3: {
    config: qwen3('Qwen3ForCausalLM', 'qwen3'),
    shapes: { ...outer(), ...blocks(2, { ...block({ head: 32 }), ...headNorms(32) }) },
  },
  qwen3moe: {
    config: {
      ...qwen3('Qwen3MoeForCausalLM', 'qwen3_moe'),
      ...{ num_experts: 4, num_experts_per_tok: 2, moe_intermediate_size: 32, norm_topk_prob: true },
      ...{ decoder_sparse_step: 1, mlp_only_layers: [] },
    },
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...llamaNorms,
        ...attention({ head: 32 }),
        ...headNorms(32),
        'mlp.gate.weight': [4, hidden],
        ...expertsOf(4, 'mlp.experts', 32),
      }),
    },
  },
  gemma: {
    config: gemmaConfig({ ...architecture('GemmaForCausalLM', 'gemma'), hidden_act: 'gelu' }),
    shapes: { ...outer(true), ...blocks(2, block({ head: 32 })) },
    shiftedNorms: true,
  },
  gemma2: {
    config: gemmaConfig({
      ...architecture('Gemma2ForCausalLM', 'gemma2'),
      ...{ attn_logit_softcapping: 1, final_logit_softcapping: 3, query_pre_attn_scalar: 32 },
      ...{ sliding_window: 16, num_hidden_layers: 4 },
    }),
    shapes: {
      ...outer(true),
      ...blocks(4, { ...sandwich, ...attention({ head: 32 }), ...gatedMlp() }),
    },
    shiftedNorms: true,
  },
  gemma3,
  'gemma3, as transformers 5 writes it': newer(
    gemma3,
    {
      layer_types: Array.from({ length: 7 }, (_, i) => (i === 5 ? 'full_attention' : 'sliding_attention')),
      rope_parameters: {
        full_attention: { rope_type: 'linear', rope_theta: 1_000_000, factor: 8 },
        sliding_attention: { rope_type: 'default', rope_theta: 10_000 },
      },
    },
    ...['rope_theta', 'rope_local_base_freq', 'sliding_window_pattern'],
  ),
  phi3: { config: phi3Config(), shapes: { ...outer(), ...blocks(2, phi3Block) } },
  'phi3 with long rope': {
    config: phi3Config({
      sliding_window: null,
      ...{ original_max_position_embeddings: 256, max_position_embeddings: 2048 },
      rope_scaling: {
        type: 'longrope',
        short_factor: Array.from({ length: 8 }, (_, i) => 1 + 0.05 * i),
        long_factor: Array.from({ length: 8 }, (_, i) => 1 + 2 * i),
      },
    }),
    shapes: { ...outer(), ...blocks(2, phi3Block) },
  },
  'phi3 beyond its original context, heads turned in part': {
    config: phi3Config({
      ...{ sliding_window: null, partial_rotary_factor: 0.75, original_max_position_embeddings: 16 },
      rope_scaling: { type: 'longrope', ...longRope },
    }),
    shapes: { ...outer(), ...blocks(2, phi3Block) },
  },
  'phi3, as transformers 5 writes it': newer(
    { config: phi3Config({ sliding_window: null }), shapes: { ...outer(), ...blocks(2, phi3Block) } },
    {
      max_position_embeddings: 2048,
      rope_parameters: {
        ...{ rope_theta: 10_000, rope_type: 'longrope', partial_rotary_factor: 0.75 },
        ...{ original_max_position_embeddings: 256, ...longRope },
      },
    },
    'rope_theta',
  ),
  phi2: {
    config: {
      ...architecture('PhiForCausalLM', 'phi'),
      ...dense,
      ...{
        num_hidden_layers: 2,
        vocab_size: vocabulary,
        max_position_embeddings: 256,
        hidden_act: 'gelu_new',
      },
      ...{ partial_rotary_factor: 0.5, layer_norm_eps: 1e-5, rope_theta: 10_000, tie_word_embeddings: false },
    },
    shapes: {
      ...allBiased({ 'model.final_layernorm.weight': [hidden], 'lm_head.weight': [vocabulary, hidden] }),
      'model.embed_tokens.weight': [vocabulary, hidden],
      ...blocks(
        2,
        allBiased({
          ...norms('input_layernorm'),
          'self_attn.q_proj.weight': [hidden, hidden],
          'self_attn.k_proj.weight': [hidden, hidden],
          'self_attn.v_proj.weight': [hidden, hidden],
          'self_attn.dense.weight': [hidden, hidden],
          'mlp.fc1.weight': [wide, hidden],
          'mlp.fc2.weight': [hidden, wide],
        }),
      ),
    },
  },
  gpt2: { config: gpt2Config, shapes: { ...gpt2Shapes(''), ...masks('') } },
  'gpt2 with prefix': { config: gpt2Config, shapes: gpt2Shapes('transformer.') },
  gptneox: neoX(true),
  'gptneox without parallel residual': neoX(false),
  'gptneox with buffers, as transformers 5 writes it': newer(
    { ...neoX(true), shapes: { ...neoX(true).shapes, ...neoXBuffers } },
    { rope_parameters: { rope_theta: 5000, rope_type: 'default', partial_rotary_factor: 0.5 } },
    ...['rotary_pct', 'rotary_emb_base'],
  ),
  stablelm: {
    config: {
      ...llamaConfig({ ...architecture('StableLmForCausalLM', 'stablelm'), partial_rotary_factor: 0.25 }),
      ...{ layer_norm_eps: 1e-5, use_qkv_bias: true, num_key_value_heads: heads },
    },
    shapes: {
      ...withBiases(outer(), /model\.norm/),
      ...blocks(2, withBiases(block({ kv: heads }), /layernorm|[qkv]_proj/)),
    },
  },
  'stablelm with norms of heads': {
    config: {
      ...llamaConfig({ ...architecture('StableLmForCausalLM', 'stablelm'), partial_rotary_factor: 0.25 }),
      ...{ layer_norm_eps: 1e-5, qk_layernorm: true, use_parallel_residual: true, tie_word_embeddings: true },
    },
    shapes: {
      ...withBiases(outer(true), /model\.norm/),
      ...blocks(2, {
        ...withBiases(norms('input_layernorm'), /./),
        ...attention(),
        ...gatedMlp(),
        ...Object.fromEntries(
          [0, 1, 2, 3].map((head) => [`self_attn.q_layernorm.norms.${head}.weight`, [16]]),
        ),
        ...Object.fromEntries([0, 1].map((head) => [`self_attn.k_layernorm.norms.${head}.weight`, [16]])),
      }),
    },
  },
  smollm3: {
    config: llamaConfig({
      ...architecture('SmolLM3ForCausalLM', 'smollm3'),
      ...{ num_hidden_layers: 4, no_rope_layers: [1, 1, 1, 0], no_rope_layer_interval: 4 },
      ...{ tie_word_embeddings: true, use_sliding_window: false },
    }),
    shapes: { ...outer(true), ...blocks(4, block()) },
  },
  olmo2: {
    config: llamaConfig(architecture('Olmo2ForCausalLM', 'olmo2')),
    shapes: {
      ...outer(),
      ...blocks(2, {
        ...norms('post_attention_layernorm', 'post_feedforward_layernorm'),
        ...attention(),
        'self_attn.q_norm.weight': [hidden],
        'self_attn.k_norm.weight': [32],
        ...gatedMlp(),
      }),
    },
  },
  starcoder2: {
    config: {
      ...llamaConfig(architecture('Starcoder2ForCausalLM', 'starcoder2')),
      ...{ norm_epsilon: 1e-5, use_bias: true, hidden_act: 'gelu_pytorch_tanh', sliding_window: null },
      tie_word_embeddings: true,
    },
    shapes: {
      ...withBiases(outer(true), /model\.norm/),
      ...blocks(
        2,
        allBiased({
          ...llamaNorms,
          ...attention(),
          'mlp.c_fc.weight': [wide, hidden],
          'mlp.c_proj.weight': [hidden, wide],
        }),
      ),
    },
  },
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
  'command-r': {
    config: {
      ...llamaConfig(architecture('CohereForCausalLM', 'cohere')),
      ...{ layer_norm_eps: 1e-5, logit_scale: 0.5, use_qk_norm: false, tie_word_embeddings: true },
    },
    shapes: {
      ...outer(true),
      ...blocks(2, { ...norms('input_layernorm'), ...attention(), ...gatedMlp() }),
    },
  },
  /** llama.cpp knows norms of heads in models of 64 layers and more only. */
  'command-r plus, in float32': {
    config: {
      ...llamaConfig(architecture('CohereForCausalLM', 'cohere')),
      ...{ layer_norm_eps: 1e-5, logit_scale: 0.5, use_qk_norm: true, tie_word_embeddings: true },
      num_hidden_layers: 64,
    },
    shapes: {
      ...outer(true),
      ...blocks(64, {
        ...norms('input_layernorm'),
        ...attention(),
        ...gatedMlp(),
        'self_attn.q_norm.weight': [heads, 16],
        'self_attn.k_norm.weight': [2, 16],
      }),
    },
    dtype: 'F32',
  },
  deepseek2: deepseek(null),
  'deepseek2 with compressed queries': deepseek(24),
  'deepseek2, version 3': deepseek3(),
};
