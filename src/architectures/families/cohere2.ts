import type { ConfigReader } from '../configReader';
import { decoderKeyValues, layerNormEpsilon, type Decoder } from '../decoder';
import { attentionParts, gatedParts, tiedOutput, usualIgnored } from '../decoderParts';
import { blockRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { cohereOuterRules, readCohere } from './cohereParts';
import { f32, text, u32 } from '../keyValues';
import { slidingLayers } from '../slidingWindow';
import { said } from '../../protocol/said';

/** llama.cpp gives a window to all of each group of so many layers but the last. */
const windowPeriod = 4;

/**
 * Command R7B, Command A, Aya Expanse 2: parallel attention and feed-forward after one layer norm without bias, a window in most layers;
 * the others have no rotary embedding. Both transformers and llama.cpp rotate neighbouring pairs.
 */
export const cohere2: ArchitectureDescription = {
  name: 'cohere2',
  family: 'Command R7B, Command A',
  classes: { Cohere2ForCausalLM: 'cohere2' },
  forward: {
    rotation: 'pairs',
    activation: 'silu',
    centredNorms: true,
    parallel: true,
    scalesLogits: true,
    windowPeriod,
    rotatesInWindows: true,
  },
  convert(config) {
    config.expect('use_qk_norm', false, false);
    config.known(...implied);
    const decoder = readCohere(config);
    const { hiddenSize } = decoder;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        layerNormEpsilon(config, 'layer_norm_eps'),
        f32('logit_scale', config.number('logit_scale', 0.0625)),
        u32('attention.sliding_window', readWindow(config, decoder)),
        text('rope.scaling.type', 'none'),
      ],
      tensors: [
        ...cohereOuterRules(decoder),
        blockRules('layers', decoder.blocks, () => [
          { from: 'input_layernorm', to: 'attn_norm', shape: [hiddenSize] },
          ...attentionParts(decoder),
          ...gatedParts(decoder),
        ]),
      ],
    };
  },
};

/** What older files state of the class, which has no other. */
const implied = [
  ...['position_embedding_type', 'rotary_pct', 'use_embedding_sharing', 'use_gated_activation'],
  ...['use_parallel_block', 'use_parallel_embedding', 'order_of_interleaved_layers', 'cache_implementation'],
  ...['sliding_window_pattern', '_sliding_window_pattern', 'layer_switch'],
];

/** @throws QuantscopeError UNSUPPORTED for another order of layers with a window than llama.cpp has built in. */
function readWindow(config: ConfigReader, { blocks }: Decoder): number {
  const key = config.spelled('sliding_window_pattern', '_sliding_window_pattern', 'layer_switch');
  const group = config.integer(key, windowPeriod);
  const layers = slidingLayers(config, blocks, (layer) => (layer + 1) % group !== 0);
  if (layers.every((slides, layer) => slides === ((layer + 1) % windowPeriod !== 0)))
    return config.integer('sliding_window', 4096);
  throw config.unsupported(
    said`Layers with a sliding window are not all but every ${windowPeriod}th, as llama.cpp assumes for this architecture.`,
  );
}
