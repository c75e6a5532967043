import type { ConfigReader } from './configReader';
import type { Decoder } from './decoder';

/**
 * Which layers attend to a window of tokens only: by `layer_types`, else by the rule of the class.
 * @throws QuantscopeError MODEL_FILE for too short a list, UNSUPPORTED for other kinds of attention.
 */
export function slidingLayers(
  config: ConfigReader,
  blocks: number,
  rule: (layer: number) => boolean,
): boolean[] {
  const types = config.list('layer_types');
  if (types && types.length < blocks)
    throw config.wrong('layer_types', `one of each of ${blocks} layers is needed`);
  return Array.from({ length: blocks }, (_, layer) => {
    const type = types?.[layer] ?? (rule(layer) ? 'sliding_attention' : 'full_attention');
    if (type !== 'sliding_attention' && type !== 'full_attention')
      throw config.unsupported(
        `Layers of type ${JSON.stringify(type)} have no place in GGUF for this architecture.`,
      );
    return type === 'sliding_attention';
  });
}

/**
 * Every how many layers one attends to everything, the last of each group: the only order that GGUF has a key for. 0 means
 * that all slide; `undefined` that none does, which llama.cpp wants said by the window.
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
  const period = [usual, ...layers.keys(), layers.length].find(fits);
  if (period !== undefined) return period;
  throw config.unsupported(
    'Layers with a sliding window do not repeat in the order that GGUF can express: so many with, then one without.',
  );
}

/**
 * For architectures that llama.cpp gives no window: refuses one that `use_sliding_window` turns on and that cuts the context.
 * @param rule which layers slide where `layer_types` does not say.
 * @throws QuantscopeError UNSUPPORTED
 */
export function refuseWindow(
  config: ConfigReader,
  { blocks, contextLength }: Decoder,
  rule: (layer: number) => boolean,
): void {
  if (!config.flag('use_sliding_window', false) || config.fields['sliding_window'] === null) return;
  const window = config.integer('sliding_window', 4096);
  if (window >= contextLength || !slidingLayers(config, blocks, rule).includes(true)) return;
  throw config.unsupported(
    `Some layers attend to the last ${window} tokens only ("sliding_window"); llama.cpp has no window for this architecture.`,
  );
}
