import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { openModel } from '../../src/layouts/openModel';
import { hasSharedData } from '../support/files';
import { expectedLogits, farthest, logitsOf } from '../support/referenceLogits';
import { reference, referenceRecipes, writeReferenceRecipe } from '../support/referenceRecipes';

/** Checkpoints that the quantizing libraries wrote, each with the logits of its dequantized weights in float32. */
const folders = (hasSharedData ? readdirSync(reference) : []).flatMap((library) => {
  const inside = join(reference, library, 'folders');
  return existsSync(inside) ? readdirSync(inside).map((name) => `${library}/folders/${name}`) : [];
});

describe.skipIf(!hasSharedData)('checkpoints of quantizing libraries', () => {
  it.each(folders.filter((name) => !name.includes('gpt-oss')))('%s: the logits beside it', async (name) => {
    const folder = join(reference, name);
    const { tokens, logits } = await expectedLogits(folder);
    const model = await openModel(folder);
    expect(model.description.quantizedLayout).toBeUndefined();
    expect(model.description.tensors.some(({ stored }) => stored)).toBe(true);
    expect(farthest(await logitsOf(model, tokens), logits)).toBeLessThan(1e-4);
    await model.close();
  });

  it.each(referenceRecipes)('$folder: the same logits from the folder that $recipe writes', async (item) => {
    const { tokens, logits } = await expectedLogits(join(reference, item.folder));
    const model = await openModel(await writeReferenceRecipe(item));
    expect(farthest(await logitsOf(model, tokens), logits)).toBeLessThan(item.logits ?? 1e-4);
    await model.close();
  });
});
