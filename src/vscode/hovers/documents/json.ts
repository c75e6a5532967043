import { getLocation } from 'jsonc-parser';
import type { NamePlace } from '../../../protocol/names';
import { readText, splitText } from './readings';

/** Files and objects of quantization, adapters, plans and recipes, in which common keys have the meaning that they have there. */
const knownFile = /(?:quant\w*|adapter_|^)config\.json$|ampq\.json$|recipe[^/]*\.json$/;
const knownObjects: ReadonlySet<string> = new Set([
  'quantization_config',
  'compression_config',
  'quantization',
]);

/**
 * What the text at a place of a JSON document names: a key or a value.
 * @param file name of the document, without its folder.
 */
export function jsonName(text: string, offset: number, file: string): NamePlace | undefined {
  const { path, previousNode, isAtPropertyKey } = getLocation(text, offset);
  if (previousNode?.type !== 'string' && previousNode?.type !== 'property') return undefined;
  const value: unknown = previousNode.value;
  const [start, end] = [previousNode.offset + 1, previousNode.offset + previousNode.length - 1];
  if (typeof value !== 'string' || offset < start || offset > end) return undefined;
  const above = isAtPropertyKey ? path.slice(0, -1) : path;
  const isKnown = knownFile.test(file) || above.some((item) => knownObjects.has(String(item)));
  const place = { path: above, isKey: isAtPropertyKey, isKnown };
  // Positions inside a text with escapes are not those of the document: it then is one name.
  const parts = end - start === value.length ? splitText(value, place) : [{ start: 0, text: value }];
  const part = parts.find((item) => offset <= start + item.start + item.text.length) ?? parts.at(-1);
  const query = part && readText(part.text, place);
  if (!part || !query) return undefined;
  if (parts.length === 1) return { start, end, query };
  return { start: start + part.start, end: start + part.start + part.text.length, query };
}
