import { copyFileSync, mkdirSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { writeCheckpoint, type WrittenCheckpoint } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../../../src/layouts/openModel';
import type { RecipeChanges } from '../../../../src/protocol/quantizeModel';
import { resolveRecipe } from '../../../../src/recipes/resolveRecipe';
import { safetensorsBytes, sampleFolder, temporaryFolder, writeFile } from '../../../support/files';

const tensor = 'model.layers.0.mlp.up_proj.weight';
const columns = 128;
const place = 3 * columns + 5;

/** A model of one matrix `[rows, 128]` of zeros but for one weight. */
function modelWith(value: number, rows = 64): string {
  const folder = join(temporaryFolder(), 'model');
  mkdirSync(folder);
  copyFileSync(join(sampleFolder, 'config.json'), join(folder, 'config.json'));
  const size = 4 * rows * columns;
  const bytes = safetensorsBytes(
    { [tensor]: { dtype: 'F32', shape: [rows, columns], data_offsets: [0, size] } },
    size,
  );
  bytes.writeFloatLE(value, bytes.length - size + 4 * place);
  writeFile(folder, 'model.safetensors', bytes);
  return folder;
}

/** Quantizes a model into a folder beside it; none is left where that fails. */
async function quantized(
  folder: string,
  recipe: string,
  changes: RecipeChanges = {},
): Promise<WrittenCheckpoint> {
  const model = await openModel(folder);
  const parent = join(folder, '..');
  try {
    const plan = planCheckpoint(model, await resolveRecipe({ recipe, changes }));
    return await writeCheckpoint(model, plan, join(parent, 'out'));
  } catch (error) {
    expect(readdirSync(parent)).toEqual(['model']);
    throw error;
  } finally {
    await model.close();
  }
}

describe('a checkpoint is not written, and the tensor is named, where', () => {
  it('a weight is not finite', async () => {
    const folder = modelWith(NaN);
    await expect(quantized(folder, 'bnb-nf4')).rejects.toMatchObject({
      code: 'MODEL_FILE',
      message: expect.stringContaining(`Weight ${place} is NaN; it cannot be quantized.`) as string,
      place: { tensor, file: join(folder, 'model.safetensors') },
    });
  });

  it.each(['bnb-int8', 'eetq-int8'])(
    'a weight is beyond the range that %s casts weights to',
    async (recipe) => {
      await expect(quantized(modelWith(1e5), recipe)).rejects.toMatchObject({
        code: 'MODEL_FILE',
        message: expect.stringContaining(
          `Weight ${place} is 100000, beyond the range of F16; it cannot be quantized.`,
        ) as string,
        place: { tensor },
      });
    },
  );

  it('a scale is beyond the range of its dtype', async () => {
    const folder = modelWith(-3.4e38);
    await expect(quantized(folder, 'torchao-int4wo')).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringMatching(
        /too large for a grid with scales in B?F\d\d: decoded weights would not be finite/,
      ) as string,
      place: { tensor, file: join(folder, 'model.safetensors') },
    });
  });

  it('readers would decode a weight to infinity, though its scale is within range', async () => {
    const rtn = { method: 'rtn' };
    const folder = modelWith(262_144, 256);
    await expect(quantized(folder, 'marlin-int4-g128', rtn)).rejects.toMatchObject({
      code: 'REQUEST',
      message: expect.stringContaining(
        'Weights are too large for a layout that decodes to F16: decoded weights would not be finite.',
      ) as string,
      place: { tensor, file: join(folder, 'model.safetensors') },
    });
    expect((await quantized(modelWith(61_440, 256), 'marlin-int4-g128', rtn)).weights).toHaveLength(1);
  });
});

describe('a weight below the range of half precision', () => {
  it.each(['bnb-int8', 'eetq-int8'])('counts as lost by the cast of %s', async (recipe) => {
    const { weights } = await quantized(modelWith(1e-9), recipe);
    expect(weights.map(({ relativeError }) => relativeError)).toEqual([1]);
  });
});
