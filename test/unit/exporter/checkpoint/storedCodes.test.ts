import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { writeCheckpoint, type WrittenCheckpoint } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { allWeights } from '../../../../src/layouts/changedModel';
import { openModel } from '../../../../src/layouts/openModel';
import type { RecipeChanges } from '../../../../src/protocol/quantizeModel';
import { resolveRecipe } from '../../../../src/recipes/resolveRecipe';
import { sampleFolder, temporaryFolder } from '../../../support/files';
import { tensorsOf } from '../../../support/layouts';

async function quantized(
  path: string,
  recipe: string,
  changes: RecipeChanges = {},
): Promise<WrittenCheckpoint> {
  const model = await openModel(path);
  try {
    const plan = planCheckpoint(model, await resolveRecipe({ recipe, changes }));
    return await writeCheckpoint(model, plan, join(temporaryFolder(), 'out'));
  } finally {
    await model.close();
  }
}

const rtn = { method: 'rtn' } as const;
const name = 'model.layers.1.mlp.down_proj.weight';

async function weightsOf(path: string): Promise<Float32Array> {
  const model = await openModel(path);
  const weights = await allWeights(model, model.tensor(name));
  await model.close();
  return weights;
}

describe('a quantized checkpoint whose matrices are rounded to the grid that they are of', () => {
  it.each([
    ['gptq-int4-g128', 'marlin-int4-g128', 30],
    ['gptq-int4-g128', 'gptq-int4-g128', 42],
    ['bnb-nf4-dq', 'bnb-nf4-dq', 42],
    ['nvfp4', 'nvfp4', 42],
    ['eetq-int8', 'eetq-int8', 42],
  ])('keeps codes and scales: %s to %s', async (from, to, count) => {
    const [methodFrom, methodTo] = [from, to].map((id) => (/gptq|marlin/.test(id) ? rtn : {}));
    const first = await quantized(sampleFolder, from, methodFrom);
    const second = await quantized(first.out, to, methodTo);
    expect(second.weights).toHaveLength(count);
    expect(second.weights.map(({ relativeError }) => relativeError)).toEqual(Array<number>(count).fill(0));
    expect(second.notes).toEqual([
      `${count} matrices keep the codes and scales of the model, which are of the same grid.`,
    ]);
    expect(readFileSync(join(second.out, 'README.md'), 'utf8')).toContain(second.notes[0]);
    if (from !== to) return;
    const [a, b] = [first, second].map(({ out }) => tensorsOf(join(out, 'model.safetensors')));
    for (const [part, { bytes }] of a!) expect(b!.get(part)?.bytes.equals(bytes), part).toBe(true);
  });

  it('has the same weights in the other layout', async () => {
    const gptq = await quantized(sampleFolder, 'gptq-int4-g128', rtn);
    const marlin = await quantized(gptq.out, 'marlin-int4-g128', rtn);
    const back = await quantized(marlin.out, 'gptq-int4-g128', rtn);
    const [there, here] = [gptq, back].map(({ out }) => tensorsOf(join(out, 'model.safetensors')));
    for (const end of ['qweight', 'qzeros', 'scales', 'g_idx']) {
      const part = name.replace('weight', end);
      expect(here!.get(part)!.bytes.equals(there!.get(part)!.bytes), part).toBe(true);
    }
    expect((await weightsOf(marlin.out)).length).toBe((await weightsOf(gptq.out)).length);
  });

  it('is rounded where the grid is another, or another method is asked for', async () => {
    const first = await quantized(sampleFolder, 'gptq-int4-g128', rtn);
    const rounded = await quantized(first.out, 'gptq-int4-g128', { ...rtn, group: 32 });
    expect(Math.min(...rounded.weights.map(({ relativeError }) => relativeError))).toBeGreaterThan(0);
    const clipped = await quantized(first.out, 'gptq-int4-g128', { method: 'ecb' });
    expect(clipped.notes.filter((note) => note.includes('keep the codes'))).toEqual([]);
  });
});
