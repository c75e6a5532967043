import { describe, expect, it } from 'vitest';
import { planCheckpoint, type CheckpointPlan } from '../../../../src/exporter/checkpoint/plan';
import { openModel } from '../../../../src/layouts/openModel';
import { resolveRecipe } from '../../../../src/recipes/resolveRecipe';
import { sampleFolder } from '../../../support/files';

async function planned(recipe: string, changes = {}): Promise<CheckpointPlan> {
  const model = await openModel(sampleFolder);
  try {
    return planCheckpoint(model, await resolveRecipe({ recipe, changes }));
  } finally {
    await model.close();
  }
}

const isPermuted = ({ tensors }: CheckpointPlan): boolean[] => [
  ...new Set(tensors.flatMap(({ matrix }) => (matrix ? [matrix.weight.permuted === true] : []))),
];

describe('GPTQ with the options that it has by default', () => {
  it.each([
    ['marlin-int4-g128', {}, 30], // Marlin does not take the 128 outputs of k_proj and v_proj
    ['gptq-int4-g128', {}, 42],
    ['awq-int4-g128', { method: 'gptq' }, 42],
    ['w4a16', { method: 'gptq' }, 42],
  ])('gives consecutive groups, which %s stores', async (recipe, changes, matrices) => {
    const plan = await planned(recipe, changes);
    expect(plan.tensors.filter(({ matrix }) => matrix)).toHaveLength(matrices);
    expect(isPermuted(plan)).toEqual([false]);
  });

  it('is stated as such in config.json', async () => {
    const { quantization } = await planned('gptq-int4-g128');
    expect(quantization).toMatchObject({ desc_act: false, group_size: 128 });
  });
});

it('states groups of columns by importance, which GPTQ stores and Marlin does not', async () => {
  const options = { group_aware: false };
  const { quantization } = await planned('gptq-int4-g128', { method: 'gptq', options });
  expect(quantization).toMatchObject({ desc_act: true });
  await expect(planned('marlin-int4-g128', { method: 'gptq', options })).rejects.toThrow(
    'groups of consecutive columns',
  );
});
