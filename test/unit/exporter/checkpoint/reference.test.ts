import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../../../src/layouts/openModel';
import type { QuantizeModelSettings, RecipeChanges } from '../../../../src/protocol/quantizeModel';
import type { Grid } from '../../../../src/protocol/grids';
import { compressedFloat8, compressedIntegers } from '../../../../src/quant/grids/libraries';
import { presetById, resolveRecipe } from '../../../../src/recipes/resolveRecipe';
import { hasSharedData, sharedData, temporaryFolder } from '../../../support/files';

const reference = join(sharedData, 'reference');

interface Case {
  readonly folder: string;
  readonly recipe: string;
  readonly changes?: RecipeChanges;
  /** In place of that of the recipe. */
  readonly grid?: Grid;
  /** `tiny-llama` where it is absent. */
  readonly base?: string;
  /** Tensors in which the library rounds some values next to a midpoint to the other side, and the share of such bytes. */
  readonly near?: { readonly tensors: RegExp; readonly share: number };
  /** Keys of `quantization_config` that differ by design. */
  readonly differs?: readonly string[];
}

const cases: readonly Case[] = [
  { folder: 'bitsandbytes/folders/llm-int8', recipe: 'bnb-int8' },
  // The library computes in float32 unless it is told otherwise; files that are written compute in the dtype of the weights.
  { folder: 'bitsandbytes/folders/nf4', recipe: 'bnb-nf4', differs: ['bnb_4bit_compute_dtype'] },
  {
    folder: 'bitsandbytes/folders/nf4-storage-bf16',
    recipe: 'bnb-nf4',
    changes: { layout: 'bitsandbytes-4bit-bf16' },
  },
  {
    folder: 'bitsandbytes/folders/nf4-double-quant',
    recipe: 'bnb-nf4-dq',
    // The library's CPU kernel looks scales up in a table of 65,536 bins; ours are the exact rule.
    near: { tensors: /absmax$/, share: 0.02 },
  },
  { folder: 'autoawq/folders/gemm-4bit-g128-rtn', recipe: 'awq-int4-g128', changes: { method: 'rtn' } },
  { folder: 'compressed-tensors/folders/W4A16', recipe: 'w4a16' },
  { folder: 'compressed-tensors/folders/W3A16', recipe: 'w4a16', changes: { bits: 3 } },
  {
    folder: 'compressed-tensors/folders/W4A16_ASYM',
    recipe: 'w4a16',
    grid: compressedIntegers(4, 128, { symmetric: false }),
  },
  { folder: 'compressed-tensors/folders/W8A8', recipe: 'w8a8' },
  { folder: 'compressed-tensors/folders/FP8_DYNAMIC', recipe: 'fp8-dynamic' },
  {
    folder: 'compressed-tensors/folders/FP8_BLOCK',
    recipe: 'fp8-dynamic',
    grid: compressedFloat8({ rows: 128, columns: 128 }),
    base: 'tiny-llama-256',
  },
  { folder: 'compressed-tensors/folders/MXFP4A16', recipe: 'mxfp4' },
  { folder: 'compressed-tensors/folders/NVFP4A16', recipe: 'nvfp4' },
  {
    folder: 'transformers-fp8/folders/fp8-block128',
    recipe: 'fp8-block',
    base: 'tiny-llama-256',
    // The library multiplies by 448 / absmax, the reciprocal of which is stored; ours multiplies by the reciprocal of what is stored.
    near: { tensors: /q_proj\.weight$/, share: 0.01 },
  },
  { folder: 'torchao/folders/int8wo', recipe: 'torchao-int8wo' },
];

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

async function quantized({ recipe, changes, grid, base = 'tiny-llama' }: Case): Promise<string> {
  const preset = presetById(recipe);
  const inline = grid ? { ...preset, rules: preset.rules.map((rule) => ({ ...rule, grid })) } : undefined;
  const settings: QuantizeModelSettings = {
    ...(inline ? { inline } : { recipe }),
    ...(changes ? { changes } : {}),
  };
  const model = await openModel(join(reference, 'base', base));
  const out = join(temporaryFolder(), 'out');
  await writeCheckpoint(model, planCheckpoint(model, await resolveRecipe(settings)), out);
  await model.close();
  return out;
}

/** Bytes that differ; codes next to each other may be exchanged where the case says so. */
function differences(own: Map<string, Stored>, theirs: Map<string, Stored>, near?: Case['near']): string[] {
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
  it.each(cases)('$folder: $recipe', async (item) => {
    const folder = join(reference, item.folder);
    const out = await quantized(item);
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
