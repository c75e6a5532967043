import type { ConfigReader } from './configReader';
import { said } from '../protocol/said';

/**
 * A number that config.json may state for each layer.
 * @throws QuantscopeError UNSUPPORTED for different ones, for which GGUF has no key.
 */
export function sameInAll(config: ConfigReader, key: string, usual: number): number {
  if (!config.isList(key)) return config.integer(key, usual);
  const values = new Set(config.numbers(key));
  const [value = 0] = values;
  if (values.size === 1 && Number.isInteger(value) && value > 0) return value;
  throw config.unsupported(
    said`"${key}" differs between layers, which GGUF cannot express for this architecture.`,
  );
}
