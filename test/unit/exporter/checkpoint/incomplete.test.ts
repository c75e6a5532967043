import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../../../src/layouts/openModel';
import { presetById } from '../../../../src/recipes/resolveRecipe';
import { sampleFolder, temporaryFolder } from '../../../support/files';

it('a quantized model that lacks a shard is said to lack it, not to be in a layout that cannot be decoded', async () => {
  const out = join(temporaryFolder(), 'sharded');
  const source = await openModel(sampleFolder);
  await writeCheckpoint(source, planCheckpoint(source, presetById('bnb-nf4'), 1e6), out);
  await source.close();
  rmSync(join(out, 'model-00002-of-00004.safetensors'));
  const model = await openModel(out);
  expect(() => planCheckpoint(model, presetById('w8a8'))).toThrow(
    'The model is incomplete: model-00002-of-00004.safetensors missing.',
  );
  await model.close();
});
