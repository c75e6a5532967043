import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { openModel } from '../../../../src/layouts/openModel';
import type { Recipe } from '../../../../src/protocol/recipe';
import { compressedMx } from '../../../../src/quant/grids/libraries';
import { safetensorsBytes, temporaryFolder } from '../../../support/files';

const experts = 'model.layers.0.mlp.experts.gate_up_proj';
const linear = 'model.layers.0.self_attn.q_proj.weight';
const recipe: Recipe = {
  ...{ version: 1, id: 'experts', label: '', description: '', layout: 'mxfp4', target: 'checkpoint' },
  rules: [{ match: 'experts', grid: compressedMx('fp4'), method: { id: 'rtn' } }],
};

/** A model of merged experts in half precision, `[2, 64, 128]`, and a linear layer. */
function modelOf(modelType: string): string {
  const folder = join(temporaryFolder(), 'model');
  mkdirSync(folder);
  writeFileSync(join(folder, 'config.json'), JSON.stringify({ model_type: modelType }));
  const sizes = [2 * 2 * 64 * 128, 2 * 64 * 128] as const;
  const header = {
    [experts]: { dtype: 'BF16', shape: [2, 64, 128], data_offsets: [0, sizes[0]] },
    [linear]: { dtype: 'BF16', shape: [64, 128], data_offsets: [sizes[0], sizes[0] + sizes[1]] },
  };
  writeFileSync(join(folder, 'model.safetensors'), safetensorsBytes(header, sizes[0] + sizes[1]));
  return folder;
}

it('experts with outputs in rows are quantized', async () => {
  const model = await openModel(modelOf('mixtral'));
  const { tensors } = planCheckpoint(model, recipe);
  expect(tensors.find(({ tensor }) => tensor.name === experts)!.parts.map(({ name }) => name)).toEqual([
    `${experts}_blocks`,
    `${experts}_scales`,
  ]);
  await model.close();
});

it.each(['gpt_oss', 'llama4_text'])('experts of %s, which have inputs in rows, are not', async (type) => {
  const model = await openModel(modelOf(type));
  expect(() => planCheckpoint(model, recipe)).toThrow('experts are stored transposed');
  await model.close();
});
