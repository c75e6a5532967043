import {
  decoderKeyValues,
  expectSquareAttention,
  readDecoder,
  rmsEpsilon,
  type Decoder,
  type DecoderDefaults,
} from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  normParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules, type Part } from '../partRules';
import type { ConfigReader } from '../configReader';
import type { ArchitectureDescription, Conversion } from '../description';
import { u32 } from '../keyValues';
import { readQwenExperts } from './qwenExperts';
import { refuseFactors, ropeSections } from '../rope';
import { windowWithoutKey } from '../slidingWindow';
import { textPart } from '../textPart';

/** The language part of Qwen2-VL and Qwen2.5-VL: Qwen 2, rotated by three positions, which are the same in texts. */
export const qwen2vl: ArchitectureDescription = {
  name: 'qwen2vl',
  family: 'Qwen 2 VL, Qwen 2.5 VL (text)',
  remark: 'llama.cpp has no window for it, where one is enabled',
  classes: {
    Qwen2VLForConditionalGeneration: 'qwen2_vl',
    Qwen2_5_VLForConditionalGeneration: 'qwen2_5_vl',
  },
  forward: { rotation: 'halves', activation: 'silu' },
  convert(whole) {
    const { config, tied, prefixes, leftOut } = textPart(whole);
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = {
      ...readDecoder(config, {
        blocks: 80,
        hiddenSize: 8192,
        feedForwardSize: 29568,
        heads: 64,
        kvHeads: 8,
        contextLength: 32768,
        ropeTheta: 1_000_000,
      }),
      tied,
    };
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    const firstWindow = config.integer('max_window_layers', 80, 0);
    return {
      ...{ prefixes, leftOut, ignored: usualIgnored },
      ...tiedOutput(decoder),
      ...windowWithoutKey(config, decoder, {
        switched: true,
        window: 4096,
        rule: (layer) => layer >= firstWindow,
      }),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5), ropeSections(config)],
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...normParts(decoder),
          ...attentionParts(decoder, { bias: 'required' }),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

/** The language part of Qwen3-VL: Qwen 3, rotated by three positions. Images add to the states after the first blocks, too. */
export const qwen3vl: ArchitectureDescription = {
  name: 'qwen3vl',
  family: 'Qwen 3 VL (text)',
  classes: { Qwen3VLForConditionalGeneration: 'qwen3_vl' },
  forward: { rotation: 'halves', activation: 'silu' },
  convert: (whole) =>
    thirdConversion(
      whole,
      { blocks: 32, hiddenSize: 4096, feedForwardSize: 22016, heads: 32, kvHeads: 32 },
      (decoder) => ({
        keyValues: [],
        parts: gatedParts(decoder),
      }),
    ),
};

/** The same with experts, whose checkpoints hold them merged and transposed. */
export const qwen3vlmoe: ArchitectureDescription = {
  name: 'qwen3vlmoe',
  family: 'Qwen 3 VL with experts (text)',
  classes: { Qwen3VLMoeForConditionalGeneration: 'qwen3_vl_moe' },
  forward: { rotation: 'halves', activation: 'silu', normalizedExperts: true },
  convert: (whole) =>
    thirdConversion(
      whole,
      { blocks: 24, hiddenSize: 2048, feedForwardSize: 5632, heads: 16, kvHeads: 16 },
      (decoder, config) =>
        readQwenExperts(config, decoder, {
          ...{ experts: 60, used: 4, feedForwardSize: 1408 },
          ...{ normalized: true, usuallyNormalized: true, transposed: true },
        }),
    ),
};

function thirdConversion(
  whole: ConfigReader,
  defaults: DecoderDefaults,
  feedForward: (
    decoder: Decoder,
    config: ConfigReader,
  ) => Pick<Conversion, 'keyValues'> & { readonly parts: readonly Part[] },
): Conversion {
  const { config, tied, prefixes, leftOut } = textPart(whole);
  config.expect('hidden_act', 'silu', 'silu');
  config.expect('attention_bias', false, false);
  const decoder = {
    ...readDecoder(config, {
      ...defaults,
      headSize: 128,
      contextLength: 128_000,
      ropeTheta: 5_000_000,
    }),
    tied,
  };
  refuseFactors(config, decoder.rope);
  const { keyValues, parts } = feedForward(decoder, config);
  return {
    ...{ prefixes, leftOut, ignored: usualIgnored },
    ...tiedOutput(decoder),
    keyValues: [
      ...decoderKeyValues(decoder),
      rmsEpsilon(config),
      ropeSections(config, [24, 20, 20]),
      u32('n_deepstack_layers', deepstackLayers(whole)),
      ...keyValues,
    ],
    tensors: [
      ...partRules(outerParts(decoder)),
      blockRules('layers', decoder.blocks, () => [
        ...normParts(decoder),
        ...attentionParts(decoder),
        ...headNormParts(decoder.headSize),
        ...parts,
      ]),
    ],
  };
}

/** After how many of the first blocks features of an image are added. */
const deepstackLayers = (whole: ConfigReader): number =>
  whole.ofOther('vision_config')?.list('deepstack_visual_indexes')?.length ?? 0;
