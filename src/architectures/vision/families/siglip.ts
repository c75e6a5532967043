import type { TensorRule } from '../../description';
import { u32 } from '../../keyValues';
import type { ConfigReader } from '../../configReader';
import type { VisionDescription, VisionSource } from '../description';
import {
  activationKeyValues,
  checkHeads,
  encoderBlocks,
  encoderKeyValues,
  expectWiderNetwork,
  layerNorm,
  linear,
  outerRules,
  type Encoder,
} from '../parts';
import { normalization } from '../preprocessing';
import { said } from '../../../protocol/said';

/** Gemma 3: SigLIP, whose patches are averaged in squares, and a norm and a matrix, which the checkpoint holds transposed. */
export const gemma3Vision: VisionDescription = {
  projector: 'gemma3',
  family: 'Gemma 3',
  classes: { Gemma3ForConditionalGeneration: 'gemma3' },
  convert(source) {
    const { whole, vision, text, images } = source;
    const encoder = readSiglip(vision, text.integer('hidden_size', 2304), siglipDefaults);
    expectImageSize(images, encoder);
    const side = patchesOfSide(encoder);
    const tokens = Math.sqrt(whole.integer('mm_tokens_per_image', 256));
    if (side % tokens !== 0)
      throw whole.wrong(
        'mm_tokens_per_image',
        `the number of a square that divides ${side} × ${side} patches is needed`,
      );
    if (images.has('do_pan_and_scan') && images.flag('do_pan_and_scan', false))
      images.notes.push(
        said`"do_pan_and_scan" is true; llama.cpp does not cut images into crops for this model.`,
      );
    images.known(
      'pan_and_scan_min_crop_size',
      'pan_and_scan_max_num_crops',
      'pan_and_scan_min_ratio_to_activate',
    );
    return {
      keyValues: [
        ...encoderKeyValues(encoder),
        ...activationKeyValues(vision, 'gelu_pytorch_tanh', 'gelu_pytorch_tanh'),
        u32('vision.projector.scale_factor', side / tokens),
        ...normalization(images),
      ],
      tensors: [
        ...siglipRules('vision_tower.vision_model', encoder),
        {
          to: 'mm.input_projection.weight',
          from: ['multi_modal_projector.mm_input_projection_weight'],
          shape: [encoder.width, encoder.out],
        },
        {
          to: 'mm.soft_emb_norm.weight',
          from: ['multi_modal_projector.mm_soft_emb_norm.weight'],
          ...{ shape: [encoder.width], add: 1 },
        },
      ],
    };
  },
};

/** SmolVLM and Idefics 3: SigLIP, whose patches are stacked in squares, and a matrix. */
export const idefics3Vision: VisionDescription = {
  projector: 'idefics3',
  family: 'SmolVLM, Idefics 3',
  classes: { SmolVLMForConditionalGeneration: 'smolvlm', Idefics3ForConditionalGeneration: 'idefics3' },
  convert(source) {
    const { whole, vision, text, images } = source;
    const encoder = readSiglip(vision, text.integer('hidden_size', 4096), smolDefaults);
    const factor = whole.integer('scale_factor', 2);
    const side = patchesOfSide(encoder);
    if (side % factor !== 0)
      throw whole.wrong('scale_factor', `a divisor of ${side}, the patches of a side, is needed`);
    return {
      keyValues: [
        ...encoderKeyValues(encoder),
        ...activationKeyValues(vision, 'gelu_pytorch_tanh', 'gelu_pytorch_tanh'),
        u32('vision.projector.scale_factor', factor),
        ...longestEdge(source, encoder),
        ...normalization(images),
      ],
      tensors: [
        ...siglipRules('vision_model', encoder),
        ...outerRules([
          {
            from: 'connector.modality_projection.proj',
            to: 'mm.model.fc',
            shape: [encoder.out, factor * factor * encoder.width],
          },
        ]),
      ],
    };
  },
};

/** What a config.json of a class leaves out. */
type Defaults = Pick<Encoder, 'width' | 'heads' | 'patch'>;
const siglipDefaults: Defaults = { width: 768, heads: 12, patch: 16 };
const smolDefaults: Defaults = { width: 1152, heads: 16, patch: 32 };

/** What no part of the encoder follows from. */
const harmless = ['vision_use_head', 'use_base_siglip', 'use_export_friendly', 'size', 'max_image_size'];

function readSiglip(vision: ConfigReader, out: number, defaults: Defaults): Encoder {
  vision.known(...harmless);
  vision.expect('num_channels', 3, 3);
  const encoder: Encoder = {
    width: vision.integer('hidden_size', defaults.width),
    heads: vision.count('num_attention_heads', defaults.heads),
    inner: vision.integer('intermediate_size', 3072),
    blocks: vision.layers('num_hidden_layers', 12),
    patch: vision.integer('patch_size', defaults.patch),
    image: vision.integer('image_size', 224),
    epsilon: vision.number('layer_norm_eps', 1e-6),
    out,
  };
  checkHeads(vision, encoder, 'num_attention_heads');
  expectWiderNetwork(vision, encoder);
  return encoder;
}

/** Pixels beyond the last whole patch are not seen. */
const patchesOfSide = ({ image, patch }: Encoder): number => Math.floor(image / patch);

/** The encoder of SigLIP under the names of transformers. */
function siglipRules(prefix: string, encoder: Encoder): (TensorRule | Iterable<TensorRule>)[] {
  const { width, inner, patch, blocks } = encoder;
  const positions = patchesOfSide(encoder) ** 2;
  return [
    ...outerRules([
      {
        ...{ from: `${prefix}.embeddings.patch_embedding`, to: 'v.patch_embd', bias: 'required' },
        shape: [width, 3, patch, patch],
      },
      { from: `${prefix}.embeddings.position_embedding`, to: 'v.position_embd', shape: [positions, width] },
      layerNorm(`${prefix}.post_layernorm`, 'v.post_ln', width),
    ]),
    encoderBlocks(`${prefix}.encoder.layers`, blocks, [
      layerNorm('layer_norm1', 'ln1', width),
      layerNorm('layer_norm2', 'ln2', width),
      linear('self_attn.q_proj', 'attn_q', width, width),
      linear('self_attn.k_proj', 'attn_k', width, width),
      linear('self_attn.v_proj', 'attn_v', width, width),
      linear('self_attn.out_proj', 'attn_out', width, width),
      linear('mlp.fc1', 'ffn_up', inner, width),
      linear('mlp.fc2', 'ffn_down', width, inner),
    ]),
  ];
}

/** @throws QuantscopeError MODEL_FILE for images of another size than the encoder has positions for. */
function expectImageSize(images: ConfigReader, { image }: Encoder): void {
  const size = images.inner('size');
  for (const key of ['height', 'width'])
    if (size && size.integer(key, image) !== image)
      throw size.wrong(key, `${image}, the size of the images of the encoder, is needed`);
}

/** Pixels of the longer edge to which an image is scaled before it is cut. */
function longestEdge({ images }: VisionSource, { image }: Encoder) {
  const size = images.inner('size');
  const cut = images.inner('max_image_size');
  if (cut && cut.integer('longest_edge', image) !== image)
    throw cut.wrong('longest_edge', `${image}, the size of the images of the encoder, is needed`);
  if (!images.flag('do_image_splitting', true))
    images.notes.push(
      said`"do_image_splitting" is false; llama.cpp cuts large images into parts for this model.`,
    );
  return size ? [u32('vision.preproc_image_size', size.integer('longest_edge', 4 * image))] : [];
}
