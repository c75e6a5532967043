import { isRecord } from '../../../model/json';
import { mistralParams } from '../../../model/jsonFiles';
import type { ConfigReader } from '../../configReader';
import type { Part } from '../../partRules';
import type { TensorRule } from '../../description';
import { bool, u32 } from '../../keyValues';
import type { VisionDescription } from '../description';
import { checkHeads, encoderBlocks, encoderKeyValues, outerRules, type Encoder } from '../parts';
import { normalization, noteLongestEdge } from '../preprocessing';
import { pixtralConstants } from './pixtral';

/**
 * Pixtral and Mistral Small 3.1 as Mistral publishes them, under other names; rows of queries and keys are in the order of llama.cpp already.
 * mistral-common, which prepares their images, has mean and deviation of colours built in (`DATASET_MEAN`, `DATASET_STD`).
 */
export const pixtralParamsVision: VisionDescription = {
  projector: 'pixtral',
  family: 'Pixtral and Mistral Small as "consolidated" weights with params.json',
  classes: { 'params.json': mistralParams },
  fits: ({ vision_encoder: vision }) => isRecord(vision),
  visionKey: 'vision_encoder',
  images: {
    image_mean: [0.48145466, 0.4578275, 0.40821073],
    image_std: [0.26862954, 0.26130258, 0.27577711],
  },
  alsoTakes: /^tok_embeddings\.weight$/,
  convert({ whole, vision, images }) {
    vision.known('image_token_id', 'image_end_token_id'); // the tokenizer has them
    vision.expect('num_channels', 3, 3);
    vision.expect('rope_theta', pixtralConstants.theta, pixtralConstants.theta);
    const encoder = readEncoder(vision, whole.integer('dim'));
    const merge = mergeOf(vision);
    const pixels = ((merge ?? 1) * encoder.patch) ** 2;
    noteLongestEdge(images, vision.integer('max_image_size', encoder.image), {
      ...{ pixels, ...pixtralConstants.tokenLimits },
    });
    return {
      keyValues: [
        ...encoderKeyValues(encoder),
        bool('use_silu', true),
        ...(merge === undefined ? [] : [u32('vision.spatial_merge_size', merge)]),
        ...normalization(images),
      ],
      tensors: rulesOf(vision, encoder, merge),
    };
  },
};

function readEncoder(vision: ConfigReader, out: number): Encoder {
  const encoder: Encoder = {
    width: vision.integer('hidden_size'),
    heads: vision.count('num_attention_heads'),
    inner: vision.integer('intermediate_size'),
    blocks: vision.layers('num_hidden_layers'),
    patch: vision.integer('patch_size'),
    image: vision.integer(vision.spelled('image_size', 'max_image_size')),
    epsilon: pixtralConstants.epsilon,
    out,
  };
  checkHeads(vision, encoder, 'num_attention_heads', 4);
  return encoder;
}

/**
 * Patches of a side of the squares that are merged; undefined where none are.
 * @throws QuantscopeError UNSUPPORTED for squares that are merged without a norm before, or the other way round.
 */
function mergeOf(vision: ConfigReader): number | undefined {
  vision.expect('mm_projector_id', '', '', 'patch_merge');
  const isMerged = vision.text('mm_projector_id', '') === 'patch_merge';
  vision.expect('add_pre_mm_projector_layer_norm', false, isMerged);
  const merge = vision.integer('spatial_merge_size', 1);
  return isMerged ? merge : undefined;
}

function rulesOf(
  vision: ConfigReader,
  { width, inner, patch, out, blocks }: Encoder,
  merge: number | undefined,
): (TensorRule | Iterable<TensorRule>)[] {
  const matrix = (from: string, to: string, rows: number, columns: number): Part => ({
    ...{ from, to, shape: [rows, columns] },
  });
  const norm = (from: string, to: string): Part => ({ from, to, shape: [width] });
  const bias = vision.flag('adapter_bias', true) ? { bias: 'required' as const } : {};
  return [
    ...outerRules([
      { from: 'vision_encoder.patch_conv', to: 'v.patch_embd', shape: [width, 3, patch, patch] },
      norm('vision_encoder.ln_pre', 'v.pre_ln'),
      ...(merge === undefined
        ? []
        : [
            norm('pre_mm_projector_norm', 'mm.input_norm'),
            matrix('patch_merger.merging_layer', 'mm.patch_merger', width, merge * merge * width),
          ]),
      { ...matrix('vision_language_adapter.w_in', 'mm.1', out, width), ...bias },
      { ...matrix('vision_language_adapter.w_out', 'mm.2', out, out), ...bias },
    ]),
    {
      to: 'v.token_embd.img_break',
      from: ['tok_embeddings.weight'],
      ...{ shape: [out], sourceShape: ['any', out] },
      rows: [{ first: vision.integer('image_break_token_id', undefined, 0), count: 1 }],
    },
    encoderBlocks('vision_encoder.transformer.layers', blocks, [
      norm('attention_norm', 'ln1'),
      norm('ffn_norm', 'ln2'),
      matrix('attention.wq', 'attn_q', width, width),
      matrix('attention.wk', 'attn_k', width, width),
      matrix('attention.wv', 'attn_v', width, width),
      matrix('attention.wo', 'attn_out', width, width),
      matrix('feed_forward.w1', 'ffn_gate', inner, width),
      matrix('feed_forward.w3', 'ffn_up', inner, width),
      matrix('feed_forward.w2', 'ffn_down', width, inner),
    ]),
  ];
}
