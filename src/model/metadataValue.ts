import { basename } from 'node:path';
import type { MetadataSlice, MetadataSliceParams } from '../protocol/model';
import { said } from '../protocol/said';
import { QuantscopeError } from './errors';
import { readArrayPart, showElement, showValue, type GgufValue } from './ggufValue';
import { HeaderReader } from './headerReader';
import { configName } from './jsonFiles';
import { maxShownCharacters, maxSliceCharacters, maxSliceElements } from './limits';
import { jsonText } from './metadataEntries';
import type { Model } from './model';
import { readSafetensorsMetadata } from './safetensors';

/**
 * Part of a metadata value, read again from its file.
 * @throws QuantscopeError REQUEST when the source has no such key, MODEL_FILE or IO when it cannot be read.
 */
export async function readMetadataSlice(
  model: Model,
  { key, source, first, count }: MetadataSliceParams,
  signal?: AbortSignal,
): Promise<MetadataSlice> {
  if (![first, count].every((value) => Number.isSafeInteger(value) && value >= 0))
    throw new QuantscopeError('REQUEST', said`${count} elements from ${first} are not a range of a value.`);
  const stored = model.gguf?.metadata.get(key);
  if (stored) return ggufSlice(model, stored, first, count, signal);
  const value = await jsonValue(model, key, source, signal);
  if (value === undefined)
    throw new QuantscopeError('REQUEST', said`${source} has no metadata "${key}".`, {
      file: model.description.path,
    });
  if (!Array.isArray(value)) return characters(jsonText(value), first, count);
  const items = value
    .slice(first, first + Math.min(count, maxSliceElements))
    .map((item) => JSON.stringify(item));
  return { kind: 'elements', items, total: value.length };
}

async function ggufSlice(
  model: Model,
  value: GgufValue,
  first: number,
  count: number,
  signal?: AbortSignal,
): Promise<MetadataSlice> {
  if (!value.array || value.array.elementType === 'array') return characters(showValue(value), first, count);
  const { elementType, length } = value.array;
  const file = model.description.files[0]?.path ?? model.description.path;
  const reader = new HeaderReader(model.source(file), signal);
  const elements = await readArrayPart(reader, value, first, Math.min(count, maxSliceElements));
  const items = elements.map((item) => showElement(elementType, item).slice(0, maxShownCharacters));
  return { kind: 'elements', items, total: length };
}

function characters(text: string, first: number, count: number): MetadataSlice {
  const end = first + Math.min(count, maxSliceCharacters);
  return { kind: 'characters', text: text.slice(first, end), total: text.length };
}

async function jsonValue(model: Model, key: string, source: string, signal?: AbortSignal): Promise<unknown> {
  if (source === configName(model.config)) return model.config?.[key];
  const file = model.description.files.find(({ path }) => basename(path) === source);
  if (!file || model.description.format !== 'safetensors') return undefined;
  return (await readSafetensorsMetadata(model.source(file.path), signal))[key];
}
