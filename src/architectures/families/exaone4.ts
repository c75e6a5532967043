import type { ConfigReader } from '../configReader';
import { decoderKeyValues, readDecoder, rmsEpsilon, type Decoder } from '../decoder';
import {
  attentionParts,
  gatedParts,
  headNormParts,
  outerParts,
  tiedOutput,
  usualIgnored,
} from '../decoderParts';
import { blockRules, partRules } from '../partRules';
import type { ArchitectureDescription } from '../description';
import { u32 } from '../keyValues';
import { ropeTensors } from '../rope';
import { slidingLayers, slidingPeriod } from '../slidingWindow';
import { said } from '../../protocol/said';

/** llama.cpp gives windows to models of so many layers and to no others, in all of each group of so many layers but the last. */
const layersWithWindows = 64;
const period = 4;

/**
 * EXAONE 4: norms after attention and feed-forward network, norms of heads. Where layers have a window, the others have no rotary
 * embedding.
 */
export const exaone4: ArchitectureDescription = {
  name: 'exaone4',
  family: 'EXAONE 4',
  classes: { Exaone4ForCausalLM: 'exaone4' },
  forward: { rotation: 'halves', activation: 'silu', windowPeriod: period, rotatesInWindows: true },
  convert(config) {
    config.expect('hidden_act', 'silu', 'silu');
    const decoder = readDecoder(config, {
      blocks: 32,
      hiddenSize: 4096,
      feedForwardSize: 16384,
      heads: 32,
      kvHeads: 32,
      contextLength: 2048,
    });
    const window = readWindow(config, decoder);
    const { hiddenSize } = decoder;
    return {
      prefixes: ['model.'],
      ignored: usualIgnored,
      ...tiedOutput(decoder),
      keyValues: [
        ...decoderKeyValues(decoder),
        rmsEpsilon(config, 1e-5),
        ...(window === undefined ? [] : [u32('attention.sliding_window', window)]),
      ],
      computed: ropeTensors(decoder.rope),
      tensors: [
        ...partRules(outerParts(decoder)),
        blockRules('layers', decoder.blocks, () => [
          ...attentionParts(decoder),
          ...headNormParts(decoder.headSize),
          { from: 'post_attention_layernorm', to: 'post_attention_norm', shape: [hiddenSize] },
          ...gatedParts(decoder),
          { from: 'post_feedforward_layernorm', to: 'post_ffw_norm', shape: [hiddenSize] },
        ]),
      ],
    };
  },
};

/**
 * The window; undefined where there is none.
 * @throws QuantscopeError UNSUPPORTED for a window that llama.cpp would not apply, or one that it would apply though there is none.
 */
function readWindow(config: ConfigReader, { blocks }: Decoder): number | undefined {
  config.known('sliding_window_pattern', 'layer_types');
  const size = config.isNull('sliding_window') ? undefined : config.integer('sliding_window', 4096);
  if ((size !== undefined) !== (blocks === layersWithWindows))
    throw config.unsupported(
      said`The model has ${blocks} layers and "sliding_window" ${size ?? 'null'}: in this architecture, llama.cpp gives windows to models of ${layersWithWindows} layers and to no others.`,
    );
  if (size === undefined) return undefined;
  const layers = slidingLayers(config, blocks, patternOf(config));
  if (slidingPeriod(config, layers, period) === period) return size;
  throw config.unsupported(
    said`Layers with a sliding window are not all but every ${period}th, as llama.cpp assumes for this architecture.`,
  );
}

/** Which layers have a window where "layer_types" does not say: all but every so many, or by letters that repeat ("LLLG"). */
function patternOf(config: ConfigReader): (layer: number) => boolean {
  const key = 'sliding_window_pattern';
  if (!config.isText(key)) {
    const group = config.integer(key, period);
    return (layer) => (layer + 1) % group !== 0;
  }
  const letters = config.text(key);
  if (/^[LG]+$/.test(letters)) return (layer) => letters[layer % letters.length] === 'L';
  throw config.wrong(key, 'a whole number, or letters L and G are needed');
}
