import { architectureFor } from '../../src/architectures/registry';
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
  newer,
  norms,
  outer,
  sandwich,
  vocabulary,
  wide,
  withBiases,
  withoutHead,
  yarn,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';
import { deepseek, deepseek3, deepseek32, glmLite, kimi } from './deepseekCheckpoints';
import { gemmaCheckpoints } from './gemmaCheckpoints';
import { glm, glm4, glm4moe } from './glmCheckpoints';
import { gptOss, gptOssPlain } from './gptOssCheckpoints';
import { graniteCheckpoints } from './graniteCheckpoints';
import { newerCheckpoints } from './newerCheckpoints';
import { hybridCheckpoints } from './hybridCheckpoints';
import { olderCheckpoints } from './olderCheckpoints';
import {
  consolidated,
  consolidatedTempered,
  llama4,
  ministral3,
  mistral3,
  mistralSmall,
  qwen25vl,
  qwen2vl,
  qwen3vl,
  qwen3vlmoe,
  smolVlm,
} from './wrappedCheckpoints';
import { simpleCheckpoints } from './simpleCheckpoints';

const llama3Scaling = {
  rope_type: 'llama3',
  factor: 8,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
};

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

/** Two blocks of so many experts each, of which two are used. */
export const qwen3Mixture = (experts: number): CheckpointSpec => ({
  config: {
    ...qwen3('Qwen3MoeForCausalLM', 'qwen3_moe'),
    ...{ num_experts: experts, num_experts_per_tok: 2, moe_intermediate_size: 32, norm_topk_prob: true },
    ...{ decoder_sparse_step: 1, mlp_only_layers: [] },
  },
  shapes: {
    ...outer(),
    ...blocks(2, {
      ...llamaNorms,
      ...attention({ head: 32 }),
      ...headNorms(32),
      'mlp.gate.weight': [experts, hidden],
      ...expertsOf(experts, 'mlp.experts', 32),
    }),
  },
});

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
  'llama with YaRN, its borders and magnitude stated': {
    config: llamaConfig({
      rope_scaling: { ...yarn, beta_fast: 64, beta_slow: 8, factor: 40, attention_factor: 1.2 },
      max_position_embeddings: 40_960,
    }),
    shapes: llamaShapes(),
  },
  'llama with YaRN between pairs': {
    config: llamaConfig({ rope_scaling: { ...yarn, truncate: false }, max_position_embeddings: 4096 }),
    shapes: llamaShapes(),
  },
  mistral: { config: llamaConfig(architecture('MistralForCausalLM', 'mistral')), shapes: llamaShapes() },
  'mistral with a window': {
    config: llamaConfig({ ...architecture('MistralForCausalLM', 'mistral'), sliding_window: 16 }),
    shapes: llamaShapes(),
    agreeing: 16,
  },
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
  'qwen2 with a window in its last layer': {
    ...newer(qwen2, { use_sliding_window: true, sliding_window: 16, max_window_layers: 1 }),
    agreeing: 16,
  },
  'qwen2 with YaRN': newer(qwen2, { rope_scaling: yarn, max_position_embeddings: 4096 }),
  'qwen2 with YaRN, its magnitude stated': newer(qwen2, {
    rope_scaling: { ...yarn, attention_factor: 0.8 },
    max_position_embeddings: 4096,
  }),
  'qwen2 with YaRN, its magnitude by two factors': newer(qwen2, {
    rope_scaling: { ...yarn, mscale: 2, mscale_all_dim: 0.5 },
    max_position_embeddings: 4096,
  }),
  // In llama.cpp, too, the ramp ends at whole pairs: 32 and 40 turns are the same.
  'qwen2 with YaRN, borders stated that change nothing': newer(qwen2, {
    rope_scaling: { ...yarn, beta_fast: 40 },
    max_position_embeddings: 4096,
  }),
  'qwen2 with YaRN and no factor': newer(qwen2, {
    rope_scaling: { rope_type: 'yarn', original_max_position_embeddings: 1024 },
    max_position_embeddings: 4096,
  }),
  'qwen2 with dynamic rope scaling': newer(qwen2, { rope_scaling: { type: 'dynamic', factor: 4 } }),
  'qwen2, called tied, with another output': {
    ...qwen2,
    shapes: { ...qwen2.shapes, 'lm_head.weight': [vocabulary, hidden] },
  },
  'qwen3 without a head': {
    config: qwen3('Qwen3Model', 'qwen3'),
    shapes: withoutHead({ ...outer(true), ...blocks(2, { ...block({ head: 32 }), ...headNorms(32) }) }),
  },
  'llama without a head': {
    config: llamaConfig({ ...architecture('LlamaModel', 'llama') }),
    shapes: withoutHead({ ...outer(true), ...blocks(2, block()) }),
  },
  'gemma3 without a head': {
    ...gemma3,
    config: { ...gemma3.config, ...architecture('Gemma3TextModel', 'gemma3_text') },
    shapes: withoutHead(gemma3.shapes),
  },
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
  qwen3moe: qwen3Mixture(4),
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
  ...gemmaCheckpoints,
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
  stablelm: {
    config: {
      ...llamaConfig({ ...architecture('StableLmForCausalLM', 'stablelm'), partial_rotary_factor: 0.25 }),
      ...{ layer_norm_eps: 1e-5, rms_norm_eps: undefined, use_qkv_bias: true, num_key_value_heads: heads },
    },
    shapes: {
      ...withBiases(outer(), /model\.norm/),
      ...blocks(2, withBiases(block({ kv: heads }), /layernorm|[qkv]_proj/)),
    },
  },
  'stablelm with norms of heads': {
    config: {
      ...llamaConfig({ ...architecture('StableLmForCausalLM', 'stablelm'), partial_rotary_factor: 0.25 }),
      ...{
        layer_norm_eps: 1e-5,
        rms_norm_eps: undefined,
        qk_layernorm: true,
        use_parallel_residual: true,
        tie_word_embeddings: true,
      },
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
      rms_norm_eps: undefined,
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
  ...olderCheckpoints,
  ...hybridCheckpoints,
  ...graniteCheckpoints,
  ...newerCheckpoints,
  'command-r': {
    config: {
      ...llamaConfig(architecture('CohereForCausalLM', 'cohere')),
      ...{
        layer_norm_eps: 1e-5,
        rms_norm_eps: undefined,
        logit_scale: 0.5,
        use_qk_norm: false,
        tie_word_embeddings: true,
      },
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
      ...{
        layer_norm_eps: 1e-5,
        rms_norm_eps: undefined,
        logit_scale: 0.5,
        use_qk_norm: true,
        tie_word_embeddings: true,
      },
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
  ...simpleCheckpoints,
  deepseek2: deepseek(null),
  'deepseek2 with compressed queries': deepseek(24),
  'deepseek2, version 3': deepseek3(),
  'deepseek 3.2': deepseek32(),
  'kimi k2': kimi(),
  glm,
  glm4,
  'glm 4.5': glm4moe(true),
  'glm 4.5 air': glm4moe(false),
  'glm 4.7 flash': glmLite(),
  mistral3,
  'mistral 3, the language part alone': ministral3,
  'mistral small': mistralSmall,
  qwen2vl,
  'qwen 2.5 vl': qwen25vl,
  qwen3vl,
  qwen3vlmoe,
  smolvlm: smolVlm,
  llama4,
  'mistral, consolidated': consolidated,
  'mistral 3, consolidated': consolidatedTempered,
  'gpt-oss': gptOss,
  'gpt-oss, experts as plain numbers': gptOssPlain,
};

/** Checkpoints whose architecture has a forward pass. */
export const runnableCheckpoints = Object.entries(checkpoints).flatMap(([name, { config }]) =>
  architectureFor(config, name).forward ? [name] : [],
);

/** Those whose blocks keep keys and values of a text only, and that have graphs for texts of any length. */
export const attendingCheckpoints = runnableCheckpoints.filter((name) => {
  const { config } = checkpoints[name]!;
  const { mixers = [], streams } = architectureFor(config, name).forward!;
  const handsOn = streams !== undefined || Number(config['num_kv_shared_layers']) > 0;
  return !handsOn && mixers.every((kind) => kind === 'latentAttention');
});
