import type { IdentityNumber } from '../../protocol/overview';

/** Where a number of a model is stated. */
export interface NumberRow {
  /** Key in GGUF without the name of the architecture. */
  readonly key: string;
  /** Keys of config.json; the first that is there counts. */
  readonly config: readonly string[];
}

/** Spellings of the numbers of a model in GGUF, and in configurations of transformers and of its predecessors. */
export const numberRows: Readonly<Record<IdentityNumber, NumberRow>> = {
  layers: { key: 'block_count', config: ['num_hidden_layers', 'n_layer', 'n_layers', 'num_layers'] },
  hidden: { key: 'embedding_length', config: ['hidden_size', 'n_embd', 'd_model', 'dim'] },
  feedForward: {
    key: 'feed_forward_length',
    config: ['intermediate_size', 'n_inner', 'ffn_dim', 'hidden_dim', 'd_ff'],
  },
  heads: { key: 'attention.head_count', config: ['num_attention_heads', 'n_head', 'n_heads', 'num_heads'] },
  kvHeads: {
    key: 'attention.head_count_kv',
    config: ['num_key_value_heads', 'n_kv_heads', 'num_kv_heads', 'n_head_kv'],
  },
  headSize: { key: 'attention.key_length', config: ['head_dim', 'd_kv'] },
  compressedKeys: { key: 'attention.kv_lora_rank', config: ['kv_lora_rank'] },
  experts: { key: 'expert_count', config: ['num_local_experts', 'num_experts', 'n_routed_experts'] },
  expertsUsed: {
    key: 'expert_used_count',
    config: ['num_experts_per_tok', 'num_experts_per_token', 'moe_topk'],
  },
  sharedExperts: { key: 'expert_shared_count', config: ['n_shared_experts', 'num_shared_experts'] },
  expertFeedForward: { key: 'expert_feed_forward_length', config: ['moe_intermediate_size'] },
  stateSize: { key: 'ssm.state_size', config: ['mamba_d_state', 'ssm_state_size', 'state_size'] },
  vocabulary: { key: 'vocab_size', config: ['vocab_size', 'n_vocab'] },
  context: {
    key: 'context_length',
    config: ['max_position_embeddings', 'n_positions', 'max_seq_len', 'n_ctx', 'seq_length'],
  },
  window: { key: 'attention.sliding_window', config: ['sliding_window', 'sliding_window_size'] },
  ropeBase: { key: 'rope.freq_base', config: ['rope_theta', 'rotary_emb_base'] },
};
