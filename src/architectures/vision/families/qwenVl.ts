import type { KeyValue } from '../../../model/keyValue';
import type { ConfigReader } from '../../configReader';
import type { Part } from '../../partRules';
import type { RowRange, TensorRule } from '../../description';
import { u32 } from '../../keyValues';
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
import { expectCut, normalization, pixelLimits } from '../preprocessing';
import { said } from '../../../protocol/said';

/** Of all norms of these classes; config.json does not state it. */
const epsilon = 1e-6;

/** Frames that a patch spans: an image is shown twice. llama.cpp has one kernel for each. */
const frames = 2;

/** Patches of a side that become one vector. llama.cpp has no other number. */
const merge = 2;

/** What llama.cpp takes for the size of an image where nothing depends on it. */
const usualImage = 560;

/** Least and most vectors of an image; llama.cpp reads no key for them. */
const tokenLimits = { least: 8, most: 4096 };

/** Pixels of a side of a window; llama.cpp has no key for it. */
const window = 112;

/** Qwen 2 VL: layer norms, one matrix that opens each network, rotation by rows and columns. */
export const qwen2vlVision: VisionDescription = {
  projector: 'qwen2vl_merger',
  family: 'Qwen 2 VL',
  classes: { Qwen2VLForConditionalGeneration: 'qwen2_vl' },
  convert(source) {
    const { vision } = source;
    const width = vision.dimension('embed_dim', 1280);
    const encoder = readEncoder(source, {
      width,
      blocks: vision.layers('depth', 32),
      inner: Math.trunc(width * vision.number('mlp_ratio', 4)),
      out: vision.integer('hidden_size', 3584),
      image: usualImage,
      patch: 14,
    });
    return {
      keyValues: [
        ...keyValuesOf(source, encoder),
        ...activationKeyValues(vision, 'quick_gelu', 'quick_gelu'),
      ],
      tensors: [
        ...patchKernels(vision, encoder),
        ...outerRules([layerNorm('visual.merger.ln_q', 'v.post_ln', width), ...mergerParts(encoder)]),
        encoderBlocks('visual.blocks', encoder.blocks, [
          layerNorm('norm1', 'ln1', width),
          layerNorm('norm2', 'ln2', width),
          ...splitAttention(width),
          linear('mlp.fc1', 'ffn_up', encoder.inner, width),
          linear('mlp.fc2', 'ffn_down', width, encoder.inner),
        ]),
      ],
    };
  },
};

/** Qwen 2.5 VL: RMS norms, gated networks, and windows of patches in most blocks. */
export const qwen25vlVision: VisionDescription = {
  projector: 'qwen2.5vl_merger',
  family: 'Qwen 2.5 VL',
  classes: { Qwen2_5_VLForConditionalGeneration: 'qwen2_5_vl' },
  convert(source) {
    const { vision } = source;
    const width = vision.dimension('hidden_size', 3584);
    const encoder = readEncoder(source, {
      width,
      blocks: vision.layers('depth', 32),
      inner: vision.integer('intermediate_size', 3420),
      out: vision.integer('out_hidden_size', 3584),
      image: usualImage,
      patch: 14,
    });
    const norm = (from: string, to: string): Part => ({ from, to, shape: [width] });
    return {
      keyValues: [
        ...keyValuesOf(source, encoder),
        ...activationKeyValues(vision, 'silu', 'silu'),
        u32('vision.n_wa_pattern', windowPeriod(vision, encoder)),
      ],
      tensors: [
        ...patchKernels(vision, encoder),
        ...outerRules([norm('visual.merger.ln_q', 'v.post_ln'), ...mergerParts(encoder)]),
        encoderBlocks('visual.blocks', encoder.blocks, [
          norm('norm1', 'ln1'),
          norm('norm2', 'ln2'),
          ...splitAttention(width),
          linear('mlp.gate_proj', 'ffn_gate', encoder.inner, width),
          linear('mlp.up_proj', 'ffn_up', encoder.inner, width),
          linear('mlp.down_proj', 'ffn_down', width, encoder.inner),
        ]),
      ],
    };
  },
};

/** Qwen 3 VL: learned positions besides the rotation; the outputs of some blocks are merged too, for the first blocks of the language part. */
export const qwen3vlVision: VisionDescription = {
  projector: 'qwen3vl_merger',
  family: 'Qwen 3 VL',
  classes: {
    Qwen3VLForConditionalGeneration: 'qwen3_vl',
    Qwen3VLMoeForConditionalGeneration: 'qwen3_vl_moe',
  },
  convert: (source) => thirdConversion(source, [8, 16, 24]),
};

/** Qwen 3.5: the same, and no output of a block is merged. */
export const qwen35Vision: VisionDescription = {
  projector: 'qwen3vl_merger',
  family: 'Qwen 3.5',
  classes: {
    Qwen3_5ForConditionalGeneration: 'qwen3_5',
    Qwen3_5MoeForConditionalGeneration: 'qwen3_5_moe',
  },
  convert: (source) => thirdConversion(source, []),
};

/** @param usuallyDeep blocks whose outputs are merged too, where config.json names none. */
function thirdConversion(
  source: VisionSource,
  usuallyDeep: readonly number[],
): ReturnType<VisionDescription['convert']> {
  const { vision } = source;
  const width = vision.dimension('hidden_size', 1152);
  const positions = vision.integer('num_position_embeddings', 2304);
  const side = Math.round(Math.sqrt(positions));
  if (side * side !== positions)
    throw vision.wrong('num_position_embeddings', 'the number of a square of patches is needed');
  const encoder = readEncoder(source, {
    width,
    blocks: vision.layers('depth', 27),
    inner: vision.integer('intermediate_size', 4304),
    out: vision.integer('out_hidden_size', 3584),
    image: side * vision.integer('patch_size', 16),
    patch: 16,
  });
  const deep = listedBlocks(vision, 'deepstack_visual_indexes', encoder, usuallyDeep);
  const merged = merge * merge * width;
  return {
    keyValues: [
      ...keyValuesOf(source, encoder),
      ...activationKeyValues(vision, 'gelu_pytorch_tanh', 'gelu_pytorch_tanh'),
    ],
    tensors: [
      ...patchKernels(vision, encoder),
      { to: 'v.patch_embd.bias', from: ['visual.patch_embed.proj.bias'], shape: [width] },
      ...outerRules([
        { from: 'visual.pos_embed', to: 'v.position_embd', shape: [positions, width] },
        layerNorm('visual.merger.norm', 'v.post_ln', width),
        linear('visual.merger.linear_fc1', 'mm.0', merged, merged),
        linear('visual.merger.linear_fc2', 'mm.2', encoder.out, merged),
        ...deep.flatMap((block, index) => {
          const [from, to] = [`visual.deepstack_merger_list.${index}`, `v.deepstack.${block}`];
          return [
            layerNorm(`${from}.norm`, `${to}.norm`, merged),
            linear(`${from}.linear_fc1`, `${to}.fc1`, merged, merged),
            linear(`${from}.linear_fc2`, `${to}.fc2`, encoder.out, merged),
          ];
        }),
      ]),
      encoderBlocks('visual.blocks', encoder.blocks, [
        layerNorm('norm1', 'ln1', width),
        layerNorm('norm2', 'ln2', width),
        linear('attn.qkv', 'attn_qkv', 3 * width, width),
        linear('attn.proj', 'attn_out', width, width),
        linear('mlp.linear_fc1', 'ffn_up', encoder.inner, width),
        linear('mlp.linear_fc2', 'ffn_down', width, encoder.inner),
      ]),
    ],
  };
}

type Sizes = Pick<Encoder, 'width' | 'blocks' | 'inner' | 'out' | 'image' | 'patch'>;

function readEncoder({ vision, text }: VisionSource, sizes: Sizes): Encoder {
  // Repeats of other keys; for videos.
  vision.known('spatial_patch_size', 'in_chans', 'tokens_per_second');
  vision.expect('temporal_patch_size', frames, frames);
  vision.expect('spatial_merge_size', merge, merge);
  const encoder: Encoder = {
    ...sizes,
    patch: vision.integer('patch_size', sizes.patch),
    heads: vision.count('num_heads', 16),
    epsilon,
  };
  checkHeads(vision, encoder, 'num_heads', 4);
  expectWiderNetwork(vision, encoder);
  if (text.integer('hidden_size', encoder.out) !== encoder.out)
    throw text.wrong('hidden_size', `${encoder.out}, the width that images are projected to, is needed`);
  return encoder;
}

function keyValuesOf({ images }: VisionSource, encoder: Encoder): KeyValue[] {
  expectCut(images, 'patch_size', encoder.patch);
  expectCut(images, 'merge_size', merge);
  expectCut(images, 'temporal_patch_size', frames);
  return [
    ...encoderKeyValues(encoder),
    u32('vision.spatial_merge_size', merge),
    ...normalization(images),
    ...pixelLimits(images, { pixels: (merge * encoder.patch) ** 2, ...tokenLimits }),
  ];
}

/** The kernel `[width, colours, frames, patch, patch]` as one of each frame. */
function patchKernels(vision: ConfigReader, { width, patch }: Encoder): TensorRule[] {
  const colours = vision.integer(vision.spelled('in_channels', 'in_chans'), 3);
  if (colours !== 3) throw vision.unsupported(said`Images have ${colours} colours; llama.cpp's have 3.`);
  const rule = (frame: number): TensorRule => ({
    to: frame === 0 ? 'v.patch_embd.weight' : `v.patch_embd.weight.${frame}`,
    from: ['visual.patch_embed.proj.weight'],
    shape: [width, colours, patch, patch],
    sourceShape: [width, colours, frames, patch, patch],
    rows: Array.from({ length: width * colours }, (_, plane): RowRange => ({
      ...{ first: (plane * frames + frame) * patch, count: patch },
    })),
  });
  return Array.from({ length: frames }, (_, frame) => rule(frame));
}

const mergerParts = ({ width, out }: Encoder): Part[] => {
  const merged = merge * merge * width;
  return [
    linear('visual.merger.mlp.0', 'mm.0', merged, merged),
    linear('visual.merger.mlp.2', 'mm.2', out, merged),
  ];
};

/** Queries, keys and values are one matrix in the checkpoint and three in the file. */
const splitAttention = (width: number): Part[] => [
  ...['attn_q', 'attn_k', 'attn_v'].map((to, part): Part => ({
    ...linear('attn.qkv', to, width, width),
    rule: { rows: [{ first: part * width, count: width }], sourceShape: [3 * width, width] },
  })),
  linear('attn.proj', 'attn_out', width, width),
];

/**
 * Every how many blocks one sees all patches.
 * @throws QuantscopeError UNSUPPORTED for another pattern or other windows, which llama.cpp does not have.
 */
function windowPeriod(vision: ConfigReader, encoder: Encoder): number {
  const { blocks, patch } = encoder;
  vision.expect('window_size', window, window);
  if (window % (patch * merge) !== 0)
    throw vision.unsupported(
      said`A window of ${window} pixels cannot be divided into merged patches of ${patch * merge} pixels.`,
    );
  const whole = listedBlocks(vision, 'fullatt_block_indexes', encoder, [7, 15, 23, 31]);
  const period = (whole[0] ?? blocks) + 1;
  const expected = Array.from({ length: Math.floor(blocks / period) }, (_, i) => (i + 1) * period - 1);
  if (whole.length > 0 && whole.join() === expected.join()) return period;
  throw vision.unsupported(
    said`Blocks ${whole.join(', ')} of ${blocks} see all patches ("fullatt_block_indexes"); llama.cpp knows only every Nth.`,
  );
}

/**
 * Numbers of blocks under a key, in rising order.
 * @throws QuantscopeError MODEL_FILE for others.
 */
function listedBlocks(
  vision: ConfigReader,
  key: string,
  { blocks }: Encoder,
  usually: readonly number[],
): readonly number[] {
  const listed = vision.numbers(key) ?? usually;
  const isRising = listed.every((block, i) => Number.isInteger(block) && block > (listed[i - 1] ?? -1));
  if (isRising && listed.every((block) => block < blocks)) return listed;
  throw vision.wrong(key, `rising numbers of the ${blocks} blocks are needed`);
}
