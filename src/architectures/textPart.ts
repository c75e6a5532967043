import type { ConfigReader } from './configReader';
import type { Conversion } from './description';

/** What config.json of a multimodal model has besides its `text_config`. */
const visionKeys = [
  ...['vision_config', 'audio_config', 'image_token_index', 'image_token_id', 'video_token_id'],
  ...['vision_start_token_id', 'vision_end_token_id', 'vision_token_id', 'vision_feature_layer'],
  ...['mm_tokens_per_image', 'boi_token_index', 'eoi_token_index', 'boi_token_id', 'eoi_token_id'],
  ...['projector_hidden_act', 'multimodal_projector_bias', 'spatial_merge_size', 'scale_factor'],
  ...['vision_feature_select_strategy', 'image_seq_length', 'image_seq_len', 'ignore_index'],
  ...['vision_soft_tokens_per_image', 'audio_soft_tokens_per_image', 'audio_token_id', 'boa_token_id'],
  ...['eoa_token_id', 'eoa_token_index', 'language_model_only'],
];

/** Tensors that no language part has. */
export const visionPart: Required<Conversion>['leftOut'] = {
  'vision part':
    /^(visual|vision_tower|vision_model|vision_encoder|multi_modal_projector|connector|vision_language_adapter|patch_merger|pre_mm_projector_norm)\./,
};

/** Embeddings of images and of sounds (Gemma 3n and 4). */
export const seeingPart: Required<Conversion>['leftOut'] = {
  'projection of images': /^embed_vision\./,
};
export const hearingPart: Required<Conversion>['leftOut'] = {
  'audio part': /^(audio_tower|embed_audio)\./,
};

/** Layers after the last, which transformers does not run either. */
export const predictingPart: Required<Conversion>['leftOut'] = {
  'part that predicts further tokens': /^mtp\./,
};

/** The language part of a model: its numbers, how its tensors are called, and what else the checkpoint has. */
export interface TextPart extends Required<Pick<Conversion, 'prefixes' | 'leftOut'>> {
  readonly config: ConfigReader;
  /** Whether the output matrix is the embedding, which the outer or the inner object says. */
  readonly tied: boolean;
}

/**
 * The language part of a config.json, which may hold it as `text_config`.
 * @param usuallyTied what it means where neither object says whether the output is the embedding.
 */
export function textPart(whole: ConfigReader, usuallyTied = false): TextPart {
  const config = whole.inner('text_config') ?? whole;
  whole.known(...visionKeys);
  const inner = config.tied(usuallyTied);
  return {
    config,
    tied: whole.has('tie_word_embeddings') ? whole.tied(usuallyTied) : inner,
    prefixes: [
      ...['model.language_model.model.', 'model.language_model.', 'language_model.model.', 'language_model.'],
      ...['model.text_model.', 'text_model.', 'model.'],
    ],
    leftOut: visionPart,
  };
}
