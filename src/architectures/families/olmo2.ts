import {
  decoderKeyValues,
  expectSquareAttention,
  readDecoder,
  rmsEpsilon,
  sharedHeadSize,
  type Decoder,
} from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription, Conversion } from '../description';
import { u32 } from '../keyValues';
import { readRope, refuseFactors } from '../rope';
import { slidingLayers } from '../slidingWindow';
import { said } from '../../protocol/said';

/** Where a file has a window, llama.cpp leaves it out in the last of each group of so many layers. */
const windowPeriod = 4;
/** Where config.json does not say: that of the class of OLMo 3. */
const olmo3Theta = 500_000;
const forward = { rotation: 'halves', activation: 'silu', windowPeriod } as const;

/** OLMo 2: norms after attention and feed-forward instead of before, and over all heads of query and key together. */
export const olmo2: ArchitectureDescription = {
  name: 'olmo2',
  family: 'OLMo 2',
  classes: { Olmo2ForCausalLM: 'olmo2' },
  forward,
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      contextLength: 2048,
    });
    expectSquareAttention(config, decoder);
    refuseFactors(config, decoder.rope);
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [...decoderKeyValues(decoder), rmsEpsilon(config, 1e-5)],
      tensors: olmoRules(decoder),
    };
  },
};

/**
 * OLMo 3: OLMo 2 with a window in all of each group of four layers but the last. Layers with a window rotate without the scaling for
 * longer texts.
 */
export const olmo3: ArchitectureDescription = {
  name: 'olmo2',
  family: 'OLMo 3',
  classes: { Olmo3ForCausalLM: 'olmo3' },
  forward,
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    config.expect('attention_bias', false, false);
    const parameters = config.inner('rope_parameters');
    const full = parameters?.inner('full_attention');
    const sliding = parameters?.inner('sliding_attention');
    const contextLength = config.integer('max_position_embeddings', 2048);
    const headSize = sharedHeadSize(
      config,
      config.integer('hidden_size', 4096),
      config.count('num_attention_heads', 32),
    );
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 11008,
      heads: 32,
      contextLength,
      ropeTheta: olmo3Theta,
      ...(full ? { rope: readRope(config, headSize, contextLength, olmo3Theta, full) } : {}),
    });
    expectSquareAttention(config, decoder);
    if (decoder.rope.scaling.kind === 'factors')
      throw config.unsupported(
        said`Rope scaling other than linear and yarn cannot be exported for this architecture.`,
      );
    sliding?.expect('rope_type', 'default', 'default');
    sliding?.expect('rope_theta', decoder.rope.theta, decoder.rope.theta);
    const layers = slidingLayers(config, decoder.blocks, (layer) => (layer + 1) % windowPeriod !== 0);
    if (layers.some((slides, layer) => slides !== ((layer + 1) % windowPeriod !== 0)))
      throw config.unsupported(
        said`Layers with a sliding window are not all but every ${windowPeriod}th, as llama.cpp assumes for this architecture.`,
      );
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        u32('attention.sliding_window', config.integer('sliding_window', 4096)),
      ],
      tensors: olmoRules(decoder),
    };
  },
};

function olmoRules(decoder: Decoder): Conversion['tensors'] {
  const { blocks, hiddenSize, kvHeads, headSize } = decoder;
  return [
    ...partRules(outerParts(decoder, { copyTied: true })),
    blockRules('layers', blocks, () => [
      ...attentionParts(decoder),
      ...headNormParts(hiddenSize, kvHeads * headSize),
      { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
      ...gatedParts(decoder),
      { from: 'post_feedforward_layernorm', to: 'post_ffw_norm', shape: [hiddenSize] },
    ]),
  ];
}
