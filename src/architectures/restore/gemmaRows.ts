import { rmsDecoder } from './configParts';
import type { ConfigRow } from './configRow';
import type { GgufFacts } from './ggufFacts';
import type { Fields } from './ropeFields';

/** Gemma divides scores by the root of the head size, except in the model of so many blocks. */
const attentionScale = (facts: GgufFacts, largeBlocks?: number): Fields => ({
  query_pre_attn_scalar:
    facts.number('block_count') === largeBlocks
      ? Math.trunc((facts.number('embedding_length') ?? 0) / (facts.number('attention.head_count') ?? 1))
      : facts.number('attention.key_length'),
});

const gemma = (facts: GgufFacts): Fields => ({
  ...rmsDecoder(facts),
  hidden_activation: 'gelu_pytorch_tanh',
});

/** What Gemma 3 and its embedding model have in common. */
const gemma3 = (facts: GgufFacts): Fields => ({
  ...gemma(facts),
  rope_local_base_freq: facts.number('rope.freq_base_swa'),
  sliding_window: facts.number('attention.sliding_window'),
  sliding_window_pattern: facts.number('attention.sliding_window_pattern') ?? 6,
});

/** Embeddings for each layer. The table of a file has a row for each token, as llama.cpp needs it. */
const perLayer = (facts: GgufFacts): Fields => ({
  hidden_size_per_layer_input: facts.number('embedding_length_per_layer_input'),
  vocab_size_per_layer_input: facts.rows('token_embd.weight'),
  num_kv_shared_layers: facts.number('attention.shared_kv_layers'),
});

/** Gemma 4 has two kinds of layers: numbers of its heads are those of the first layer of a kind. */
function gemma4(facts: GgufFacts): Fields {
  const slides = facts.list('attention.sliding_window_pattern') ?? [];
  const kvHeads = facts.ofBlocks('attention.head_count_kv');
  const widths = facts.ofBlocks('feed_forward_length');
  const [full, sliding] = [slides.indexOf(0), slides.indexOf(1)];
  const sameValues = full >= 0 && !facts.has(`blk.${full}.attn_v.weight`);
  return {
    ...gemma(facts),
    ...{
      head_dim: facts.number('attention.key_length_swa'),
      global_head_dim: facts.number('attention.key_length'),
    },
    ...{ rope_theta: undefined, rope_scaling: undefined, rope_parameters: ropesOfKinds(facts) },
    num_key_value_heads: kvHeads[sliding] ?? kvHeads[full],
    ...{ attention_k_eq_v: sameValues, num_global_key_value_heads: sameValues ? kvHeads[full] : undefined },
    ...{ intermediate_size: widths[0], use_double_wide_mlp: new Set(widths).size > 1 },
    layer_types: slides.map((one) => (one === 1 ? 'sliding_attention' : 'full_attention')),
    sliding_window: facts.number('attention.sliding_window'),
    final_logit_softcapping: facts.number('final_logit_softcapping') ?? null,
    ...perLayer(facts),
    ...gemma4Experts(facts),
  };
}

/** Layers without a window rotate those of their pairs whose divisors are not huge. */
function ropesOfKinds(facts: GgufFacts): Fields {
  const divisors = facts.numbers('rope_freqs.weight') ?? [];
  const rotated = divisors.filter((divisor) => divisor < 1e29);
  return {
    full_attention: {
      ...{ rope_type: 'proportional', rope_theta: facts.number('rope.freq_base'), factor: rotated[0] ?? 1 },
      partial_rotary_factor: rotated.length / Math.max(1, divisors.length),
    },
    sliding_attention: { rope_type: 'default', rope_theta: facts.number('rope.freq_base_swa') },
  };
}

const gemma4Experts = (facts: GgufFacts): Fields =>
  facts.number('expert_count') === undefined
    ? { enable_moe_block: false }
    : {
        enable_moe_block: true,
        num_experts: facts.number('expert_count'),
        top_k_experts: facts.number('expert_used_count'),
        moe_intermediate_size: facts.number('expert_feed_forward_length'),
      };

/** Classes of Gemma. */
export const gemmaRows: readonly ConfigRow[] = [
  {
    className: 'GemmaForCausalLM',
    fields: (facts) => ({ ...gemma(facts), hidden_act: 'gelu_pytorch_tanh' }),
  },
  {
    className: 'Gemma2ForCausalLM',
    fields: (facts) => ({
      ...gemma(facts),
      ...attentionScale(facts, 46),
      attn_logit_softcapping: facts.number('attn_logit_softcapping'),
      final_logit_softcapping: facts.number('final_logit_softcapping'),
      sliding_window: facts.number('attention.sliding_window'),
    }),
  },
  {
    className: 'Gemma3ForCausalLM',
    fields: (facts) => ({
      ...gemma3(facts),
      ...attentionScale(facts, 62),
      final_logit_softcapping: facts.number('final_logit_softcapping'),
    }),
  },
  {
    className: 'Gemma3TextModel',
    architecture: 'gemma-embedding',
    fields: (facts) => ({ ...gemma3(facts), ...attentionScale(facts), use_bidirectional_attention: true }),
    prefix: '',
  },
  {
    className: 'Gemma3nForCausalLM',
    fields: (facts) => ({
      ...gemma(facts),
      ...perLayer(facts),
      rope_local_base_freq: facts.number('rope.freq_base_swa'),
      sliding_window: facts.number('attention.sliding_window'),
      final_logit_softcapping: facts.number('final_logit_softcapping'),
      ...{ altup_num_inputs: 4, altup_active_idx: 0, altup_correct_scale: true, laurel_rank: 64 },
    }),
  },
  { className: 'Gemma4ForCausalLM', isFused: true, fields: gemma4 },
];
