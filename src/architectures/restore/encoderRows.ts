import type { ConfigRow } from './configRow';
import type { GgufFacts } from './ggufFacts';
import type { Fields } from './ropeFields';

/** The numbers of an encoder, under the names of BERT. */
const encoder = (facts: GgufFacts): Fields => ({
  hidden_size: facts.number('embedding_length'),
  intermediate_size: facts.number('feed_forward_length'),
  num_hidden_layers: facts.number('block_count'),
  num_attention_heads: facts.number('attention.head_count'),
  max_position_embeddings: facts.number('context_length'),
});

const bert = (facts: GgufFacts): Fields => ({
  ...encoder(facts),
  ...{ hidden_act: 'gelu', position_embedding_type: 'absolute' },
  layer_norm_eps: facts.number('attention.layer_norm_epsilon'),
  type_vocab_size: facts.rows('token_types.weight'),
});

/** Positions begin after the id of the padding token; files begin with the first that a text has. */
const roberta = (facts: GgufFacts): Fields => {
  const padding = facts.token('padding') ?? 1;
  return {
    ...bert(facts),
    max_position_embeddings: (facts.number('context_length') ?? 0) + padding + 1,
    pad_token_id: padding,
  };
};

/** Models that embed texts. The class of BERT in its variants follows from the kind of tokenizer. */
export const encoderRows: readonly ConfigRow[] = [
  { className: 'BertModel', fits: ({ tokenizer }) => tokenizer === 'bert', fields: bert, prefix: '' },
  ...[
    { className: 'RobertaModel', kind: 'gpt2' },
    { className: 'XLMRobertaModel', kind: 't5' },
  ].map(({ className, kind }): ConfigRow => ({
    ...{ className, fields: roberta, prefix: '' },
    fits: ({ tokenizer }) => tokenizer === kind,
    unused: 'embeddings.position_embeddings.weight',
  })),
  {
    className: 'ModernBertModel',
    prefix: '',
    fields: (facts) => ({
      ...encoder(facts),
      norm_eps: facts.number('attention.layer_norm_epsilon'),
      hidden_activation: facts.text('hidden_activation') ?? 'gelu',
      global_rope_theta: facts.number('rope.freq_base'),
      local_rope_theta: facts.number('rope.freq_base_swa'),
      local_attention: facts.number('attention.sliding_window'),
      global_attn_every_n_layers:
        facts.number('attention.sliding_window') === undefined
          ? 1
          : (facts.number('attention.sliding_window_pattern') ?? 3),
      ...{ attention_bias: false, mlp_bias: false, norm_bias: false },
    }),
  },
  {
    className: 'NomicBertModel',
    fields: (facts) => ({
      n_embd: facts.number('embedding_length'),
      n_inner: facts.number('feed_forward_length'),
      n_layer: facts.number('block_count'),
      n_head: facts.number('attention.head_count'),
      n_positions: facts.number('context_length'),
      max_trained_positions: facts.number('context_length'),
      layer_norm_epsilon: facts.number('attention.layer_norm_epsilon'),
      type_vocab_size: facts.rows('token_types.weight'),
      ...{ activation_function: 'swiglu', rotary_emb_fraction: 1, rotary_emb_interleaved: false },
      ...{ rotary_emb_base: facts.number('rope.freq_base'), rotary_emb_scale_base: null, causal: false },
      ...{ qkv_proj_bias: false, mlp_fc1_bias: false, mlp_fc2_bias: false, prenorm: false },
    }),
  },
];
