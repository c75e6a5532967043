import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { ConvertedCheckpoint } from '../../../src/architectures/convertCheckpoint';
import type { TensorDescriptor } from '../../../src/protocol/model';
import { describedTensors } from '../../support/descriptionParts';
import { sharedData } from '../../support/files';

/** Descriptors of tensors that no file holds. */
export function describeTensors(
  shapes: Readonly<Record<string, readonly number[]>>,
  dtype: 'F32' | 'F16' | 'BF16' = 'F32',
): TensorDescriptor[] {
  return describedTensors({ shapes }, dtype);
}

/** Shapes of a checkpoint: parts outside the blocks, and those of each block under `prefix`.N. */
export function checkpointShapes(
  outer: Readonly<Record<string, readonly number[]>>,
  prefix: string,
  blocks: number,
  block: Readonly<Record<string, readonly number[]>>,
): Record<string, readonly number[]> {
  const inBlocks = Array.from({ length: blocks }, (_, index) =>
    Object.entries(block).map(([name, shape]) => [`${prefix}.${index}.${name}`, shape] as const),
  );
  return { ...outer, ...Object.fromEntries(inBlocks.flat()) };
}

/** Hyper-parameters by key. */
export const keyValuesOf = ({ keyValues }: ConvertedCheckpoint): Record<string, unknown> =>
  Object.fromEntries(
    keyValues.map((pair) => [pair.key, 'value' in pair ? pair.value : 'values' in pair && pair.values]),
  );

/** Shapes by name in GGUF. */
export const shapesOf = ({ tensors }: ConvertedCheckpoint): Record<string, readonly number[]> =>
  Object.fromEntries(tensors.map(({ name, shape }) => [name, shape]));

/** Names of the tensors to which a number is added. */
export const shiftedNames = ({ tensors }: ConvertedCheckpoint): string[] =>
  tensors.filter(({ add }) => add === 1).map(({ name }) => name);

/** What another converter made of a real model: hyper-parameters as text, and names of tensors in order. */
export function readListing(model: string): { keyValues: [string, string][]; tensors: string[] } {
  const path = join(sharedData, 'gguf-listings', `ollama-convert-${model}.json`);
  const entries = Object.entries(JSON.parse(readFileSync(path, 'utf8')) as Record<string, string>);
  const isTensor = ([name]: [string, string]) => /\.(weight|bias)$/.test(name);
  return {
    keyValues: entries.filter((entry) => !isTensor(entry) && !/^(general|tokenizer)\./.test(entry[0])),
    tensors: entries
      .filter(isTensor)
      .map(([name]) => name)
      .sort(),
  };
}

/** Which rows of its sources a tensor takes, in order: [first, count]. */
export const rowsOf = ({ tensors }: ConvertedCheckpoint, name: string): [number, number][] =>
  tensors.find((tensor) => tensor.name === name)!.pieces.map(({ firstRow, rows }) => [firstRow, rows]);
