import {
  bias,
  decoder,
  gatedDelta,
  graniteDecoder,
  headSize,
  layerNorm,
  llama,
  llamaBiases,
  minicpmFactors,
  partlyRotated,
  rmsDecoder,
  ropeSections,
  rotatedShare,
} from './configParts';
import type { ConfigRow } from './configRow';
import { encoderRows } from './encoderRows';
import { gemmaRows } from './gemmaRows';
import { hybridRows } from './hybridRows';
import { mixtureRows } from './mixtureRows';
import { longRope, temperature } from './ropeFields';

/** One row for each class that a GGUF file can become; those of one architecture are tried in this order. */
export const configRows: readonly ConfigRow[] = [
  {
    className: 'LlamaForCausalLM',
    fits: (facts) => facts.number('expert_count') === undefined,
    fields: llama,
  },
  { className: 'LlamaBidirectionalModel', fields: llama },
  {
    className: 'Olmo2ForCausalLM',
    fits: (facts) => facts.number('attention.sliding_window') === undefined,
    fields: rmsDecoder,
  },
  {
    className: 'Olmo3ForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), sliding_window: facts.number('attention.sliding_window') }),
  },
  { className: 'Qwen2ForCausalLM', fields: rmsDecoder },
  { className: 'Qwen3ForCausalLM', fields: rmsDecoder },
  {
    className: 'SmolLM3ForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), no_rope_layer_interval: 4 }),
  },
  {
    className: 'CohereForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      logit_scale: facts.number('logit_scale'),
      use_qk_norm: facts.has('blk.0.attn_q_norm.weight'),
    }),
  },
  {
    className: 'Cohere2ForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      logit_scale: facts.number('logit_scale'),
      sliding_window: facts.number('attention.sliding_window'),
    }),
  },
  {
    className: 'NemotronForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'norm_eps'),
      ...{ hidden_act: 'relu2', partial_rotary_factor: rotatedShare(facts) },
      attention_bias: bias(facts, 'attn_q'),
      mlp_bias: bias(facts, 'ffn_up'),
    }),
  },
  {
    className: 'FalconForCausalLM',
    fields: (facts) => {
      const { intermediate_size, num_key_value_heads: kvHeads, ...rest } = decoder(facts);
      const norms = facts.has('blk.0.attn_norm_2.weight') ? 2 : 1;
      const isGroupedHeads = kvHeads !== 1;
      return {
        ...rest,
        head_dim: undefined,
        ...layerNorm(facts, 'layer_norm_epsilon'),
        ...{ ffn_hidden_size: intermediate_size, alibi: false, bias: false, parallel_attn: true },
        ...(isGroupedHeads
          ? { new_decoder_architecture: true, num_kv_heads: kvHeads, num_ln_in_parallel_attn: norms }
          : { new_decoder_architecture: false, multi_query: true }),
      };
    },
  },
  {
    className: 'GPT2LMHeadModel',
    fields: (facts) => ({
      n_embd: facts.number('embedding_length'),
      n_layer: facts.number('block_count'),
      n_head: facts.number('attention.head_count'),
      n_inner: facts.number('feed_forward_length'),
      n_positions: facts.number('context_length'),
      ...layerNorm(facts, 'layer_norm_epsilon'),
    }),
  },
  {
    className: 'GPTNeoXForCausalLM',
    fields: (facts) => {
      const { rope_theta, ...rest } = decoder(facts);
      return {
        ...rest,
        ...layerNorm(facts, 'layer_norm_eps'),
        ...{ rotary_emb_base: rope_theta, rotary_pct: rotatedShare(facts) },
        use_parallel_residual: facts.flag('use_parallel_residual'),
      };
    },
  },
  {
    className: 'PhiForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      partial_rotary_factor: rotatedShare(facts),
    }),
  },
  {
    className: 'Phi3ForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      ...longRope(facts),
      sliding_window: facts.number('attention.sliding_window') || null,
      partial_rotary_factor: rotatedShare(facts),
    }),
  },
  {
    className: 'StableLmForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'layer_norm_eps'),
      partial_rotary_factor: rotatedShare(facts),
      use_qkv_bias: bias(facts, 'attn_q'),
      qk_layernorm: facts.has('blk.0.attn_q_norm.weight'),
      use_parallel_residual: facts.flag('use_parallel_residual'),
    }),
  },
  {
    className: 'Starcoder2ForCausalLM',
    fields: (facts) => ({
      ...decoder(facts),
      ...layerNorm(facts, 'norm_epsilon'),
      sliding_window: facts.number('attention.sliding_window') ?? null,
    }),
  },
  {
    className: 'SeedOssForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), attention_bias: bias(facts, 'attn_q') }),
  },
  { className: 'ArceeForCausalLM', fields: (facts) => ({ ...rmsDecoder(facts), hidden_act: 'relu2' }) },
  {
    className: 'Exaone4ForCausalLM',
    fields: (facts) => ({
      ...rmsDecoder(facts),
      sliding_window: facts.number('attention.sliding_window') ?? null,
      sliding_window_pattern: 4,
    }),
  },
  {
    className: 'HunYuanDenseV1ForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), use_qk_norm: true }),
  },
  { className: 'Ernie4_5ForCausalLM', fields: rmsDecoder },
  { className: 'GlmForCausalLM', fields: partlyRotated },
  { className: 'Glm4ForCausalLM', fields: partlyRotated },
  {
    className: 'GraniteForCausalLM',
    fits: (facts) => facts.flag('rope.scaling.finetuned') === undefined,
    fields: (facts) => ({ ...graniteDecoder(facts), ...llamaBiases(facts) }),
  },
  {
    className: 'Ministral3ForCausalLM',
    fields: (facts) => {
      const { rope_theta, ...rest } = rmsDecoder(facts);
      // Without them, the class would stretch rotation and scale queries as Ministral 3 does.
      const rope_parameters = { rope_type: 'default', rope_theta, ...temperature(facts) };
      // The head size of the class is 128, whatever the hidden size is.
      const head_dim = headSize(facts);
      return { ...rest, head_dim, rope_scaling: undefined, sliding_window: null, rope_parameters };
    },
  },
  {
    className: 'MiniCPMForCausalLM',
    fields: (facts) => ({ ...rmsDecoder(facts), ...longRope(facts), ...minicpmFactors(facts) }),
  },
  { className: 'Qwen3_5ForCausalLM', fields: (facts) => ({ ...gatedDelta(facts), ...ropeSections(facts) }) },
  ...gemmaRows,
  ...mixtureRows,
  ...hybridRows,
  ...encoderRows,
];
