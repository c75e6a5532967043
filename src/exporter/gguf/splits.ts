import { QuantscopeError } from '../../model/errors';
import type { KeyValue } from '../../model/keyValue';
import { maxGgufParts } from '../../model/limits';
import { padding } from './byteWriter';
import { defaultAlignment, layOutGguf, type GgufLayout, type GgufTensor } from './writer';
import { said } from '../../protocol/said';

/** How a model is split into files. */
export type SplitRule<T> =
  /** Maximum bytes of tensor data, padding included; a larger tensor gets its own file. */
  | { readonly kind: 'bytes'; readonly value: number }
  | { readonly kind: 'tensors'; readonly value: number }
  /** The number of the file, from 0, that each tensor goes to. */
  | { readonly kind: 'keep'; readonly partOf: (tensor: T) => number };

/**
 * Groups the tensors of a model, in their order, into files.
 * @throws QuantscopeError REQUEST for a limit below 1, or more files than the format can count.
 */
export function splitTensors<T extends GgufTensor>(tensors: readonly T[], rule: SplitRule<T>): T[][] {
  if (rule.kind !== 'keep' && !(rule.value >= 1))
    throw new QuantscopeError('REQUEST', said`The limit of a split must be at least 1, not ${rule.value}.`);
  const parts = rule.kind === 'keep' ? kept(tensors, rule.partOf) : cut(tensors, rule);
  if (parts.length > maxGgufParts)
    throw new QuantscopeError(
      'REQUEST',
      said`The split would make ${parts.length} files; choose a larger limit.`,
    );
  return parts;
}

function kept<T>(tensors: readonly T[], partOf: (tensor: T) => number): T[][] {
  const parts: T[][] = [];
  for (const tensor of tensors) (parts[partOf(tensor)] ??= []).push(tensor);
  return Array.from(parts, (part) => part ?? []);
}

function cut<T extends GgufTensor>(
  tensors: readonly T[],
  { kind, value }: { kind: 'bytes' | 'tensors'; value: number },
): T[][] {
  const parts: T[][] = [[]];
  let size = 0;
  for (const tensor of tensors) {
    const part = parts[parts.length - 1]!;
    const weight = kind === 'tensors' ? 1 : tensor.bytes + padding(tensor.bytes, defaultAlignment);
    if (part.length > 0 && size + weight > value) {
      parts.push([tensor]);
      size = weight;
    } else {
      part.push(tensor);
      size += weight;
    }
  }
  return parts;
}

/** `model.gguf` → `model-00001-of-00003.gguf`; numbers that the name already has are removed first. */
export function partName(out: string, part: number, parts: number): string {
  const number = (value: number): string => String(value).padStart(5, '0');
  const base = out.replace(/(-\d{5}-of-\d{5})?\.gguf$/i, '');
  return `${base}-${number(part + 1)}-of-${number(parts)}.gguf`;
}

/**
 * The keys that describe a part of a split model, in the order of llama.cpp's programs: its splitter sets the number of files when it
 * knows it, which moves that key to the end.
 */
export function splitKeyValues(
  part: number,
  parts: number,
  tensors: number,
  kind: SplitRule<never>['kind'] = 'keep',
): KeyValue[] {
  const no: KeyValue = { key: 'split.no', type: 'u16', value: part };
  const count: KeyValue = { key: 'split.count', type: 'u16', value: parts };
  const total: KeyValue = { key: 'split.tensors.count', type: 'i32', value: tensors };
  return kind === 'keep' ? [no, count, total] : [no, total, count];
}

/**
 * Lays out the files of a model. A single file has the model's key-values; of several, only the first has them, and each has the keys
 * that describe its part after them. The others cannot state an alignment, so they have the default one.
 */
export function layOutParts<T extends GgufTensor>(
  pairs: readonly KeyValue[],
  parts: readonly (readonly T[])[],
  kind: SplitRule<T>['kind'],
  alignment?: number,
): GgufLayout<T>[] {
  const [first = []] = parts;
  if (parts.length <= 1) return [layOutGguf(pairs, first, alignment)];
  const total = parts.reduce((sum, tensors) => sum + tensors.length, 0);
  return parts.map((tensors, part) => {
    const own = splitKeyValues(part, parts.length, total, kind);
    return part === 0 ? layOutGguf([...pairs, ...own], tensors, alignment) : layOutGguf(own, tensors);
  });
}

/**
 * Bytes of "300M" or "2G" (decimal, as llama.cpp counts them).
 * @throws QuantscopeError REQUEST for anything else.
 */
export function parseSplitSize(text: string): number {
  const [, digits, unit = ''] = /^(\d+)([MG])$/i.exec(text) ?? [];
  if (digits === undefined || Number(digits) === 0)
    throw new QuantscopeError('REQUEST', said`"${text}" is not the size of a part; write 300M or 2G.`);
  return Number(digits) * (unit.toUpperCase() === 'M' ? 1e6 : 1e9);
}
