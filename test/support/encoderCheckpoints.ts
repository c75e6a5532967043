import {
  architecture,
  blocks,
  dense,
  heads,
  hidden,
  newer,
  vocabulary,
  wide,
  type CheckpointSpec,
  type Shapes,
} from './checkpointParts';

/** A layer norm with a bias, by the names of its parts. */
const norm = (name: string, parts: readonly string[] = ['weight', 'bias']): Shapes =>
  Object.fromEntries(parts.map((part) => [`${name}.${part}`, [hidden]]));

const linear = (name: string, rows: number, columns: number): Shapes => ({
  [`${name}.weight`]: [rows, columns],
  [`${name}.bias`]: [rows],
});

const renamed = (shapes: Shapes, change: (name: string) => string): Shapes =>
  Object.fromEntries(Object.entries(shapes).map(([name, shape]) => [change(name), shape]));

const bertShapes = (positions: number, types: number): Shapes => ({
  'embeddings.word_embeddings.weight': [vocabulary, hidden],
  'embeddings.position_embeddings.weight': [positions, hidden],
  'embeddings.token_type_embeddings.weight': [types, hidden],
  ...norm('embeddings.LayerNorm'),
  ...blocks(
    2,
    {
      ...linear('attention.self.query', hidden, hidden),
      ...linear('attention.self.key', hidden, hidden),
      ...linear('attention.self.value', hidden, hidden),
      ...linear('attention.output.dense', hidden, hidden),
      ...norm('attention.output.LayerNorm'),
      ...linear('intermediate.dense', wide, hidden),
      ...linear('output.dense', hidden, wide),
      ...norm('output.LayerNorm'),
    },
    'encoder.layer',
  ),
  ...linear('pooler.dense', hidden, hidden),
});

const bert: CheckpointSpec = {
  config: {
    ...architecture('BertModel', 'bert'),
    ...{ ...dense, num_hidden_layers: 2, vocab_size: vocabulary, max_position_embeddings: 64 },
    ...{ hidden_act: 'gelu', layer_norm_eps: 1e-12, type_vocab_size: 2, pad_token_id: 0 },
    ...{ position_embedding_type: 'absolute' },
  },
  shapes: bertShapes(64, 2),
};

/** As the first models of Google are stored. */
const oldBert: CheckpointSpec = {
  config: { ...bert.config, ...architecture('BertForMaskedLM', 'bert') },
  shapes: {
    ...renamed(
      Object.fromEntries(Object.entries(bert.shapes).filter(([name]) => !name.startsWith('pooler'))),
      (name) =>
        `bert.${name.replace('LayerNorm.weight', 'LayerNorm.gamma').replace('LayerNorm.bias', 'LayerNorm.beta')}`,
    ),
    'cls.predictions.bias': [vocabulary],
    ...linear('cls.predictions.transform.dense', hidden, hidden),
    ...norm('cls.predictions.transform.LayerNorm', ['gamma', 'beta']),
  },
};

const xlmRoberta: CheckpointSpec = {
  config: {
    ...bert.config,
    ...architecture('XLMRobertaModel', 'xlm-roberta'),
    ...{ max_position_embeddings: 66, layer_norm_eps: 1e-5, type_vocab_size: 1, pad_token_id: 1 },
  },
  shapes: bertShapes(66, 1),
};

const nomic: CheckpointSpec = {
  config: {
    ...architecture('NomicBertModel', 'nomic_bert'),
    ...{ n_embd: hidden, n_head: heads, n_inner: wide, n_layer: 2, n_positions: 8192 },
    ...{ activation_function: 'swiglu', causal: false, layer_norm_epsilon: 1e-12, type_vocab_size: 2 },
    ...{ mlp_fc1_bias: false, mlp_fc2_bias: false, qkv_proj_bias: false, prenorm: false },
    ...{ rotary_emb_base: 1000, rotary_emb_fraction: 1, rotary_emb_interleaved: false },
    ...{ rotary_emb_scale_base: null, max_trained_positions: 2048, vocab_size: vocabulary },
  },
  shapes: {
    'embeddings.word_embeddings.weight': [vocabulary, hidden],
    'embeddings.token_type_embeddings.weight': [2, hidden],
    ...norm('emb_ln'),
    ...blocks(
      2,
      {
        'attn.Wqkv.weight': [3 * hidden, hidden],
        'attn.out_proj.weight': [hidden, hidden],
        ...norm('norm1'),
        'mlp.fc11.weight': [wide, hidden],
        'mlp.fc12.weight': [wide, hidden],
        'mlp.fc2.weight': [hidden, wide],
        ...norm('norm2'),
      },
      'encoder.layers',
    ),
  },
};

const modernShapes: Shapes = {
  'embeddings.tok_embeddings.weight': [vocabulary, hidden],
  'embeddings.norm.weight': [hidden],
  ...blocks(
    5,
    (index): Shapes => ({
      ...(index === 0 ? {} : { 'attn_norm.weight': [hidden] }),
      'attn.Wqkv.weight': [3 * hidden, hidden],
      'attn.Wo.weight': [hidden, hidden],
      'mlp_norm.weight': [hidden],
      'mlp.Wi.weight': [2 * wide, hidden],
      'mlp.Wo.weight': [hidden, wide],
    }),
    'layers',
  ),
  'final_norm.weight': [hidden],
};

/** Texts of the tests are longer than its window. */
const modern: CheckpointSpec = {
  config: {
    ...architecture('ModernBertModel', 'modernbert'),
    ...{ ...dense, num_hidden_layers: 5, vocab_size: vocabulary, max_position_embeddings: 256 },
    ...{ hidden_activation: 'gelu', norm_eps: 1e-5, norm_bias: false, attention_bias: false },
    ...{ mlp_bias: false, global_attn_every_n_layers: 3, local_attention: 10 },
    ...{ global_rope_theta: 160_000, local_rope_theta: 10_000 },
  },
  shapes: modernShapes,
};

/** Encoders: tokens see all others, and nothing predicts the next one. */
export const encoderCheckpoints: Readonly<Record<string, CheckpointSpec>> = {
  BERT: bert,
  'BERT with a head, norms called gamma and beta': oldBert,
  'XLM-RoBERTa': xlmRoberta,
  RoBERTa: newer(xlmRoberta, { ...architecture('RobertaModel', 'roberta'), hidden_act: 'gelu_new' }),
  'Nomic Embed': nomic,
  ModernBERT: modern,
  'ModernBERT with SiLU and another order of layers': newer(modern, {
    ...{ hidden_activation: 'silu', global_attn_every_n_layers: 2, local_rope_theta: null },
  }),
  'ModernBERT by kinds of layers, with a head': {
    config: {
      ...newer(
        modern,
        {
          ...architecture('ModernBertForMaskedLM', 'modernbert'),
          layer_types: [0, 1, 1, 1, 0].map((slides) => (slides ? 'sliding_attention' : 'full_attention')),
          rope_parameters: {
            full_attention: { rope_type: 'default', rope_theta: 80_000 },
            sliding_attention: { rope_type: 'default', rope_theta: 5000 },
          },
        },
        ...['global_attn_every_n_layers', 'global_rope_theta', 'local_rope_theta'],
      ).config,
    },
    shapes: {
      ...renamed(modernShapes, (name) => `model.${name}`),
      'head.dense.weight': [hidden, hidden],
      'head.norm.weight': [hidden],
      'decoder.bias': [vocabulary],
    },
  },
};
