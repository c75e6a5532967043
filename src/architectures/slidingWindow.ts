import type { ConfigReader } from './configReader';
import type { Decoder } from './decoder';
import type { Conversion } from './description';
import { layerTypes } from './layerTypes';
import { said } from '../protocol/said';

/**
 * Which layers attend only to a window of tokens: by `layer_types`, else by the rule of the class.
 * @throws QuantscopeError MODEL_FILE for too short a list, UNSUPPORTED for other kinds of attention.
 */
export function slidingLayers(
  config: ConfigReader,
  blocks: number,
  rule: (layer: number) => boolean,
): boolean[] {
  const types = layerTypes(config, blocks, ['sliding_attention', 'full_attention'], (layer) =>
    rule(layer) ? 'sliding_attention' : 'full_attention',
  );
  return types.map((type) => type === 'sliding_attention');
}

/**
 * Number of layers in a group whose last one attends to everything: the only order that GGUF has a key for. 0 means that all
 * slide; `undefined` that none does, which llama.cpp expects to be stated by the window.
 * @param usual tried first, for models too short to tell.
 * @throws QuantscopeError UNSUPPORTED for any other order.
 */
export function slidingPeriod(
  config: ConfigReader,
  layers: readonly boolean[],
  usual: number,
): number | undefined {
  if (!layers.includes(true)) return undefined;
  const fits = (period: number) =>
    layers.every((slides, layer) => slides === (period === 0 || layer % period < period - 1));
  const period = [usual, layers.indexOf(false) + 1].find(fits);
  if (period !== undefined) return period;
  throw config.unsupported(
    said`Layers with a sliding window do not repeat in the order that GGUF can express: a fixed number with, then one without.`,
  );
}

/** The default window of the classes of Mistral and Qwen. */
export const usualWindow = 4096;

interface WindowRules {
  /** Which layers slide where `layer_types` does not say; all when absent. */
  readonly rule?: (layer: number) => boolean;
  /** The default window of the class; none when absent. */
  readonly window?: number;
  /** The window counts only where `use_sliding_window` turns it on. */
  readonly switched?: boolean;
}

/**
 * The window of an architecture to which llama.cpp gives none, with a note: llama.cpp attends to everything, so texts up to the window
 * give the same results and longer ones do not.
 * @throws QuantscopeError UNSUPPORTED for kinds of attention other than full and sliding.
 */
export function windowWithoutKey(
  config: ConfigReader,
  { blocks, contextLength }: Pick<Decoder, 'blocks' | 'contextLength'>,
  { rule = () => true, window: usual = 0, switched = false }: WindowRules = {},
): Pick<Conversion, 'window' | 'notes'> {
  config.known('sliding_window', 'max_window_layers', 'layer_types', 'use_sliding_window');
  if (switched && !config.flag('use_sliding_window', false)) return {};
  const size = config.isNull('sliding_window') ? 0 : config.integer('sliding_window', usual, 0);
  if (size === 0 || size >= contextLength) return {};
  const layers = slidingLayers(config, blocks, rule);
  const sliding = layers.filter(Boolean).length;
  if (sliding === 0) return {};
  const which = sliding === blocks ? 'All layers attend' : `${sliding} of ${blocks} layers attend`;
  const note = said`${which} to the last ${size} tokens only ("sliding_window"), but llama.cpp attends to all of them in this architecture: for texts of more than ${size} tokens its results differ from those of transformers.`;
  return { window: { size, layers }, notes: [note] };
}
