import type { ConfigReader } from './configReader';
import { said } from '../protocol/said';

/**
 * The kind of each layer: as a list of config.json says, else by the rule of the class.
 * @param kinds those that GGUF can express for the architecture.
 * @throws QuantscopeError MODEL_FILE for too short a list, UNSUPPORTED for another kind.
 */
export function layerTypes<Kind extends string>(
  config: ConfigReader,
  blocks: number,
  kinds: readonly Kind[],
  rule: (layer: number) => Kind,
  key = 'layer_types',
): Kind[] {
  const types = config.list(key);
  if (types && types.length < blocks) throw config.wrong(key, `one of each of ${blocks} layers is needed`);
  return Array.from({ length: blocks }, (_, layer) => {
    const type = types?.[layer] ?? rule(layer);
    const known = kinds.find((kind) => kind === type);
    if (known !== undefined) return known;
    throw config.unsupported(
      said`GGUF cannot express layers of type ${JSON.stringify(type)} for this architecture.`,
    );
  });
}
