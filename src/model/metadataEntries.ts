import type { MetadataEntry } from '../protocol/model';
import { showValue, type GgufValue } from './ggufValue';
import { maxShownCharacters } from './limits';

/** A value of JSON as text: strings without quotes, NaN and infinities by name. */
export const jsonText = (value: unknown): string =>
  typeof value === 'string' ? value : JSON.stringify(value, nameNonFinite).replace(quotedNumber, '$1');

/** JSON.stringify would write null; the mark is removed afterwards. */
const nameNonFinite = (_: string, value: unknown): unknown =>
  typeof value === 'number' && !Number.isFinite(value) ? `\0${value}` : value;
const quotedNumber = /"\\u0000(NaN|-?Infinity)"/g;

/** A key-value of a GGUF file as a description lists it. */
export function ggufEntry(key: string, value: GgufValue, source: string): MetadataEntry {
  const type = value.array ? `array[${value.array.elementType}]` : value.type;
  const length = value.array ? { length: value.array.length } : {};
  return { key, type, ...shown(showValue(value)), source, ...length };
}

/** A key-value of JSON as a description lists it; `type` where it is not that of the value. */
export function jsonEntry(
  key: string,
  value: unknown,
  source: string,
  type = jsonType(value),
): MetadataEntry {
  const length = Array.isArray(value) ? { length: value.length } : {};
  return { key, type, ...shown(jsonText(value)), source, ...length };
}

function jsonType(value: unknown): string {
  if (Array.isArray(value)) return 'array';
  return value === null ? 'null' : typeof value;
}

/** All of a text, or its beginning and how long it is. */
function shown(text: string): { text: string; characters?: number } {
  if (text.length <= maxShownCharacters) return { text };
  return { text: text.slice(0, maxShownCharacters), characters: text.length };
}
