import { isRecord } from '../../../model/json';
import type { KeyValue } from '../../../model/keyValue';
import type { ConfigReader } from '../../configReader';
import type { Part } from '../../partRules';
import type { TensorRule } from '../../description';
import { u32 } from '../../keyValues';
import type { VisionDescription, VisionSource } from '../description';
import {
  activationKeyValues,
  checkHeads,
  encoderBlocks,
  encoderKeyValues,
  outerRules,
  type Encoder,
} from '../parts';
import { expectCut, normalization, noteLongestEdge } from '../preprocessing';
import { said } from '../../../protocol/said';

/** What llama.cpp has built in, and no file states. */
export const pixtralConstants = {
  /** Of the norms of the encoder. */
  epsilon: 1e-5,
  /** Frequencies of the rotation. */
  theta: 10_000,
  /** Least and most vectors of an image. */
  tokenLimits: { least: 8, most: 1024 },
};
const { epsilon, theta, tokenLimits } = pixtralConstants;

/** The token between the rows of patches, whose embedding llama.cpp puts there. */
const rowEnd = '[IMG_BREAK]';

/** Pixtral: RMS norms, gated networks, rotation by rows and columns, two matrices that project. */
export const pixtralVision: VisionDescription = {
  projector: 'pixtral',
  family: 'Pixtral',
  classes: { LlavaForConditionalGeneration: 'llava' },
  fits: ({ vision_config: vision }) => isRecord(vision) && vision['model_type'] === 'pixtral',
  alsoTakes: /^embed_tokens\.weight$/,
  convert(source) {
    const { whole } = source;
    const encoder = readEncoder(source);
    // Where they are absent, the class leaves out the last layer and the first vector.
    whole.expect('vision_feature_layer', -2, -1);
    whole.expect('vision_feature_select_strategy', 'default', 'full');
    return {
      keyValues: keyValuesOf(source, encoder, 1),
      tensors: rulesOf(source, encoder),
    };
  },
};

/** Mistral Small 3.1 and later: that of Pixtral, whose normed patches are stacked in squares before they are projected. */
export const mistral3Vision: VisionDescription = {
  projector: 'pixtral',
  family: 'Mistral Small 3.1 and later, Ministral 3',
  classes: { Mistral3ForConditionalGeneration: 'mistral3' },
  alsoTakes: /^embed_tokens\.weight$/,
  convert(source) {
    const { whole, text } = source;
    const encoder = readEncoder(source);
    whole.expect('vision_feature_layer', -1, -1);
    const merge = whole.integer('spatial_merge_size', 2);
    const isThird = text.text('model_type', 'mistral') === 'ministral3';
    const own = text.number('rms_norm_eps', isThird ? 1e-5 : 1e-6);
    if (own !== epsilon)
      throw text.unsupported(
        said`"rms_norm_eps" of the language part is ${own}, with which patches are normed before they are merged; llama.cpp takes ${epsilon}, that of the vision part.`,
      );
    const { width } = encoder;
    return {
      keyValues: [...keyValuesOf(source, encoder, merge), u32('vision.spatial_merge_size', merge)],
      tensors: [
        ...rulesOf(source, encoder),
        ...outerRules([
          { from: 'multi_modal_projector.norm', to: 'mm.input_norm', shape: [width] },
          {
            from: 'multi_modal_projector.patch_merger.merging_layer',
            to: 'mm.patch_merger',
            shape: [width, merge * merge * width],
          },
        ]),
      ],
    };
  },
};

function readEncoder({ whole, vision, text, images }: VisionSource): Encoder {
  vision.known('rope_scaling');
  vision.expect('num_channels', 3, 3);
  whole.expect('projector_hidden_act', 'gelu', 'gelu');
  const rope = vision.inner('rope_parameters');
  for (const reader of rope ? [vision, rope] : [vision]) reader.expect('rope_theta', theta, theta);
  rope?.expect('rope_type', 'default', 'default', 'dynamic');
  const encoder: Encoder = {
    width: vision.integer('hidden_size', 1024),
    heads: vision.count('num_attention_heads', 16),
    inner: vision.integer('intermediate_size', 4096),
    blocks: vision.layers('num_hidden_layers', 24),
    patch: vision.integer('patch_size', 16),
    image: vision.integer('image_size', 1024),
    epsilon,
    out: text.integer('hidden_size', 4096),
  };
  checkHeads(vision, encoder, 'num_attention_heads', 4);
  const size = encoder.width / encoder.heads;
  if (vision.integer('head_dim', size) !== size)
    throw vision.wrong('head_dim', `${size}, the width for each head, is needed`);
  expectPatch(images, encoder.patch);
  return encoder;
}

/** The patch of a preprocessor is a number, or has two sides. */
function expectPatch(images: ConfigReader, patch: number): void {
  const sides = images.ofOther('patch_size');
  if (!sides) expectCut(images, 'patch_size', patch);
  else for (const side of ['height', 'width']) expectCut(sides, side, patch);
}

function keyValuesOf({ vision, images }: VisionSource, encoder: Encoder, merge: number): KeyValue[] {
  const longest = images.inner('size')?.integer('longest_edge', encoder.image);
  if (longest !== undefined)
    noteLongestEdge(images, longest, { pixels: (merge * encoder.patch) ** 2, ...tokenLimits });
  return [
    ...encoderKeyValues(encoder),
    ...activationKeyValues(vision, 'gelu', 'gelu', 'silu'),
    ...normalization(images),
  ];
}

function rulesOf(source: VisionSource, encoder: Encoder): (TensorRule | Iterable<TensorRule>)[] {
  const { whole } = source;
  const { width, inner, patch, out, heads, blocks } = encoder;
  const bias = whole.flag('multimodal_projector_bias', whole.isOf('LlavaForConditionalGeneration', 'llava'));
  const matrix = (from: string, to: string, rows: number, columns: number): Part => ({
    ...{ from, to, shape: [rows, columns] },
  });
  const norm = (from: string, to: string): Part => ({ from, to, shape: [width] });
  const projection = (from: string, to: string, columns: number): Part => ({
    ...matrix(`multi_modal_projector.${from}`, to, out, columns),
    ...(bias ? { bias: 'required' as const } : {}),
  });
  /** llama.cpp rotates neighbouring entries of a head, transformers those that are half a head apart. */
  const rotated = (from: string, to: string): Part => ({
    ...matrix(from, to, width, width),
    rule: { unit: { rows: width / heads, order: 'interleave' } },
  });
  return [
    ...outerRules([
      { from: 'vision_tower.patch_conv', to: 'v.patch_embd', shape: [width, 3, patch, patch] },
      norm('vision_tower.ln_pre', 'v.pre_ln'),
      projection('linear_1', 'mm.1', width),
      projection('linear_2', 'mm.2', out),
    ]),
    rowEndRule(source, encoder),
    encoderBlocks('vision_tower.transformer.layers', blocks, [
      norm('attention_norm', 'ln1'),
      norm('ffn_norm', 'ln2'),
      rotated('attention.q_proj', 'attn_q'),
      rotated('attention.k_proj', 'attn_k'),
      matrix('attention.v_proj', 'attn_v', width, width),
      matrix('attention.o_proj', 'attn_out', width, width),
      matrix('feed_forward.gate_proj', 'ffn_gate', inner, width),
      matrix('feed_forward.up_proj', 'ffn_up', inner, width),
      matrix('feed_forward.down_proj', 'ffn_down', width, inner),
    ]),
  ];
}

/** @throws QuantscopeError MODEL_FILE where the tokenizer lacks the token that ends a row of patches. */
function rowEndRule({ whole, tokenId }: VisionSource, { out }: Encoder): TensorRule {
  const id = tokenId(rowEnd);
  if (id === undefined)
    throw whole.unsupported(
      said`The tokenizer has no token ${rowEnd}, whose embedding llama.cpp puts between rows of patches.`,
    );
  return {
    to: 'v.token_embd.img_break',
    from: ['embed_tokens.weight'],
    ...{ shape: [out], sourceShape: ['any', out], rows: [{ first: id, count: 1 }] },
  };
}
