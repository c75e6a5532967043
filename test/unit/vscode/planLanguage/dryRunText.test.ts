import { join } from 'node:path';
import { expect, it } from 'vitest';
import { dryRunText } from '../../../../src/vscode/planLanguage/dryRunText';
import { engineJobs } from '../../../support/engineJobs';
import { sampleFolder, temporaryFolder } from '../../../support/files';

const { request } = engineJobs(temporaryFolder());
const recipeFile = join(sampleFolder, 'own.recipe.json');
const recipe = {
  ...{ version: 1, id: 'own', label: 'own', description: 'own.', layout: 'gptq', target: 'checkpoint' },
  rules: [{ match: 'v_proj', grid: 'keep' }, { match: 'nothing', grid: 'int8-g128' }, { grid: 'int4-g128' }],
};
const preview = (recipeText: string) =>
  request('model/quantizePreview', { path: sampleFolder, recipeFile, recipeText });

it('has totals, warnings, what becomes of how much, and each tensor', async () => {
  const result = await preview(JSON.stringify(recipe));
  const text = dryRunText('own.recipe.json', '/models/tiny', result);
  const [head, ...parts] = text.split('\n\n');
  expect(head).toMatch(/^Dry run of own\.recipe\.json: nothing is written\.\nModel: \/models\/tiny\n/);
  expect(head).toContain(`Bits per weight: ${result.bitsPerWeight!.toFixed(3)}\n`);
  expect(parts.some((part) => part.startsWith('Warning: ') && part.includes('nothing'))).toBe(true);
  const [kinds, tensors] = parts.filter((part) => part.startsWith('from ') || part.startsWith('tensor '));
  expect(kinds!.split('\n')[1]).toMatch(/int4, group 128 .* 36 /);
  expect(tensors!.split('\n')).toHaveLength(result.tensors.length + 1);
  const [, row = ''] = /^(model\.layers\.0\.self_attn\.v_proj\.weight .*)$/m.exec(tensors!) ?? [];
  expect(row).not.toContain('int4');
});

it('shows what a recipe names in one line', async () => {
  const rules = [{ match: 'no\\n\nthing\u202e', grid: 'int8-g128' }, { grid: 'int4-g128' }];
  const text = dryRunText('a', 'b', await preview(JSON.stringify({ ...recipe, rules })));
  expect(text).toMatch(/^Warning: .*thing.*$/m);
  expect(text).not.toMatch(/^thing|\u202e/m);
});

it('is that of the text, and not of the file', async () => {
  await expect(preview('{"version": 1')).rejects.toMatchObject({
    code: 'MODEL_FILE',
    place: { file: recipeFile },
  });
  await expect(preview(JSON.stringify({ ...recipe, layout: 3 }))).rejects.toThrow(/\$\.layout/);
  await expect(
    request('model/quantizePreview', { path: sampleFolder, recipe: 'gptq-int4-g128', recipeText: '{}' }),
  ).rejects.toMatchObject({ code: 'REQUEST' });
});
