import { cpSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { planCheckpoint } from '../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../src/layouts/openModel';
import type { Grid } from '../../src/protocol/grids';
import type { QuantizeModelSettings, RecipeChanges } from '../../src/protocol/quantizeModel';
import { compressedFloat8, compressedIntegers } from '../../src/quant/grids/libraries';
import { presetById, resolveRecipe } from '../../src/recipes/resolveRecipe';
import { sharedData, temporaryFolder, writeFile } from './files';

export const reference = join(sharedData, 'reference');

/** A folder that a library wrote without evidence, and the recipe that makes the same. */
export interface ReferenceRecipe {
  readonly folder: string;
  readonly recipe: string;
  readonly changes?: RecipeChanges;
  /** In place of that of the recipe. */
  readonly grid?: Grid;
  /** `tiny-llama` where it is absent. */
  readonly base?: string;
  /** Tensors in which the library rounds some values next to a midpoint to the other side, and the share of such bytes. */
  readonly near?: { readonly tensors: RegExp; readonly share: number };
  /** How far logits may be apart for that; 1e-4 where it is absent. */
  readonly logits?: number;
  /** Keys of `quantization_config` that differ by design. */
  readonly differs?: readonly string[];
}

export const referenceRecipes: readonly ReferenceRecipe[] = [
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
    // The library's CPU kernel looks scales up in a table of 65,536 bins (`nativeNesting.ts`); ours are the exact rule, as on GPUs.
    near: { tensors: /absmax$/, share: 0.02 },
    logits: 0.01,
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
  { folder: 'transformers-fp8/folders/fp8-block128', recipe: 'fp8-block', base: 'tiny-llama-256' },
  { folder: 'torchao/folders/int8wo', recipe: 'torchao-int8wo' },
];

/** Quantizes the base of a reference folder by its recipe. @returns the folder that was written. */
export async function writeReferenceRecipe({
  recipe,
  changes,
  grid,
  base = 'tiny-llama',
}: ReferenceRecipe): Promise<string> {
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

/** A copy of a reference folder with a tokenizer that GGUF files can have. */
export function exportableFolder(name: string): string {
  const folder = join(temporaryFolder(), basename(name));
  cpSync(join(reference, name), folder, { recursive: true });
  const tokenizer = JSON.parse(
    readFileSync(join(reference, 'base', 'tiny-llama', 'tokenizer.json'), 'utf8'),
  ) as object;
  const preTokenizer = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: true };
  writeFile(folder, 'tokenizer.json', JSON.stringify({ ...tokenizer, pre_tokenizer: preTokenizer }));
  return folder;
}
