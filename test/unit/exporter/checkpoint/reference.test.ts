import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { hasSharedData } from '../../../support/files';
import {
  reference,
  referenceRecipes,
  writeReferenceRecipe,
  type ReferenceRecipe,
} from '../../../support/referenceRecipes';

interface Stored {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly bytes: Buffer;
}

function fileOf(path: string): { metadata: Record<string, string>; tensors: Map<string, Stored> } {
  const bytes = readFileSync(path);
  const start = 8 + Number(bytes.readBigUInt64LE(0));
  const { __metadata__: metadata, ...entries } = JSON.parse(bytes.subarray(8, start).toString()) as Record<
    string,
    { dtype: string; shape: number[]; data_offsets: [number, number] }
  >;
  const tensors = Object.entries(entries).map(([name, { dtype, shape, data_offsets }]) => {
    const [from, to] = data_offsets;
    return [name, { dtype, shape, bytes: bytes.subarray(start + from, start + to) }] as const;
  });
  return { metadata: metadata as unknown as Record<string, string>, tensors: new Map(tensors) };
}

const configOf = (folder: string) =>
  JSON.parse(readFileSync(join(folder, 'config.json'), 'utf8')) as Record<string, Record<string, unknown>>;
const without = (value: object, keys: readonly string[] = []): object =>
  Object.fromEntries(Object.entries(value).filter(([key]) => !keys.includes(key)));

/** Bytes that differ; codes next to each other may be exchanged where the case says so. */
function differences(
  own: Map<string, Stored>,
  theirs: Map<string, Stored>,
  near?: ReferenceRecipe['near'],
): string[] {
  return [...own].flatMap(([name, { bytes }]) => {
    const expected = theirs.get(name)!.bytes;
    if (bytes.equals(expected)) return [];
    const different = [...bytes].map((byte, i) => Math.abs(byte - expected[i]!)).filter((step) => step > 0);
    const isNear = near?.tensors.test(name) && Math.max(...different) === 1;
    return isNear && different.length <= near!.share * bytes.length ? [] : [name];
  });
}

const listed = (tensors: Map<string, Stored>): string[] =>
  [...tensors].map(([name, { dtype, shape }]) => `${name} ${dtype} ${String(shape)}`).sort();

/** Names that TorchAO lists in the order of its modules; ours are in that of the files. */
const inOrder = (metadata: Record<string, string>): object =>
  metadata['tensor_names'] === undefined
    ? metadata
    : { ...metadata, tensor_names: (JSON.parse(metadata['tensor_names']) as string[]).sort() };

describe.skipIf(!hasSharedData)('a model that is quantized as a library does it', () => {
  it.each(referenceRecipes)('$folder: $recipe', async (item) => {
    const folder = join(reference, item.folder);
    const out = await writeReferenceRecipe(item);
    const own = fileOf(join(out, 'model.safetensors'));
    const theirs = fileOf(join(folder, 'model.safetensors'));
    expect(listed(own.tensors)).toEqual(listed(theirs.tensors));
    expect(differences(own.tensors, theirs.tensors, item.near)).toEqual([]);
    expect(inOrder(own.metadata)).toEqual(inOrder(theirs.metadata));
    const { quantization_config: made, ...rest } = configOf(out);
    const { quantization_config: given, ...others } = configOf(folder);
    expect(without(made!, item.differs)).toEqual(without(given!, item.differs));
    expect(rest).toEqual(others);
  });
});
