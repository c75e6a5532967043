import { join } from 'node:path';
import { expect, it } from 'vitest';
import { planCheckpoint } from '../../../../src/exporter/checkpoint/plan';
import { writeCheckpoint } from '../../../../src/exporter/checkpoint/writeCheckpoint';
import { openModel } from '../../../../src/layouts/openModel';
import { presetById } from '../../../../src/recipes/resolveRecipe';
import { sampleFolder, temporaryFolder } from '../../../support/files';

it('warns of rules and modules to skip that match nothing', async () => {
  const model = await openModel(sampleFolder);
  const rule = presetById('w4a16').rules[0]!;
  const { warnings } = planCheckpoint(model, {
    ...presetById('w4a16'),
    rules: [{ match: 'layers\\.31\\.', grid: 'keep' }, { match: 'o_proj', grid: 'keep' }, rule],
    skip: ['lm_head', 'gate', 'mlp', 'mlp.down_proj', 're:.*layers\\.9'],
  });
  expect(warnings).toEqual([
    'Rule 1 (layers\\.31\\.) applies to no tensor.',
    '"gate" in skip matches no module.',
    '"re:.*layers\\.9" in skip matches no module.',
  ]);
  await model.close();
});

it('says that weights are quantized already, with what', async () => {
  const out = join(temporaryFolder(), 'once');
  const source = await openModel(sampleFolder);
  await writeCheckpoint(source, planCheckpoint(source, presetById('w4a16')), out);
  await source.close();
  const model = await openModel(out);
  const { notes } = planCheckpoint(model, presetById('bnb-nf4'));
  expect(notes[0]).toMatch(/^42 tensors are already quantized \(.*int4.*\): the existing error remains/);
  await model.close();
});
