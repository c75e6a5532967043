/**
 * Keys of config.json that no forward pass depends on: names and versions, ids of tokens (the tokenizer has them), training,
 * generation, bookkeeping of libraries. `vocab_size` follows from the embedding; `quantization_config` is checked beforehand.
 */
const names = [
  ...['_name_or_path', 'architectures', 'model_type', 'auto_map', 'tokenizer_class', 'name_or_path'],
  ...['transformers_version', '_commit_hash', 'unsloth_version', 'unsloth_fixed', 'torch_dtype', 'dtype'],
  ...[
    'quantization_config',
    'vocab_size',
    'base_model_tp_plan',
    'base_model_pp_plan',
    'transformers.js_config',
  ],
];
const tokens = [
  ...['bos_token_id', 'eos_token_id', 'pad_token_id', 'sep_token_id', 'cls_token_id', 'mask_token_id'],
  ...['unk_token_id', 'decoder_start_token_id', 'eot_token_id', 'forced_bos_token_id', 'forced_eos_token_id'],
];
const training = [
  ...[
    'initializer_range',
    'initializer_std',
    'attention_dropout',
    'attention_dropout_prob',
    'hidden_dropout',
  ],
  ...['hidden_dropout_prob', 'attn_pdrop', 'resid_pdrop', 'embd_pdrop', 'residual_dropout', 'ffn_dropout'],
  ...[
    'embedding_dropout',
    'classifier_dropout',
    'dropout',
    'gradient_checkpointing',
    'pretraining_tp',
    'ep_size',
  ],
  ...['router_aux_loss_coef', 'router_jitter_noise', 'output_router_logits', 'aux_loss_alpha', 'seq_aux'],
  ...['router_z_loss_coef', 'rescale_prenorm_residual', 'first_step', 'finetuning_task', 'layer_norm_init'],
];
const generation = [
  ...[
    'use_cache',
    'cache_implementation',
    'max_length',
    'min_length',
    'do_sample',
    'early_stopping',
    'num_beams',
  ],
  ...[
    'num_beam_groups',
    'diversity_penalty',
    'temperature',
    'top_k',
    'top_p',
    'typical_p',
    'repetition_penalty',
  ],
  ...['length_penalty', 'no_repeat_ngram_size', 'encoder_no_repeat_ngram_size', 'bad_words_ids', 'prefix'],
  ...[
    'num_return_sequences',
    'output_scores',
    'return_dict_in_generate',
    'begin_suppress_tokens',
    'suppress_tokens',
  ],
  ...['exponential_decay_length_penalty', 'remove_invalid_values', 'task_specific_params', 'max_new_tokens'],
];
const library = [
  ...[
    'return_dict',
    'output_hidden_states',
    'output_attentions',
    'torchscript',
    'use_bfloat16',
    'tf_legacy_loss',
  ],
  ...[
    'pruned_heads',
    'chunk_size_feed_forward',
    'is_encoder_decoder',
    'is_decoder',
    'problem_type',
    'id2label',
  ],
  ...['label2id', 'num_labels', 'cross_attention_hidden_size', 'tie_encoder_decoder', 'attn_implementation'],
  ...['_attn_implementation', '_attn_implementation_autoset', '_experts_implementation', 'use_flash_attn'],
  ...['reorder_and_upcast_attn', 'attention_softmax_in_fp32', 'scale_attention_softmax_in_fp32', 'n_ctx'],
  ...[
    'summary_activation',
    'summary_first_dropout',
    'summary_proj_to_labels',
    'summary_type',
    'summary_use_proj',
  ],
];

export const harmlessKeys: ReadonlySet<string> = new Set([
  ...names,
  ...tokens,
  ...training,
  ...generation,
  ...library,
]);
