import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, it } from 'vitest';
import { z } from 'zod';
import type { Tool } from '../../../src/tools/tool';
import { tools } from '../../../src/tools/tools';
import { projectRoot } from '../../support/files';

/** What package.json says of a tool. Texts for users are keys of package.nls.json; language models are told in English. */
function contributed({ name, description, input }: Tool) {
  const inputSchema: Record<string, unknown> = z.toJSONSchema(input, { io: 'input' });
  delete inputSchema['$schema'];
  return {
    name: `quantscope_${name}`,
    toolReferenceName: `quantscope${name.replace(/(?:^|_)(\w)/g, (_match, letter: string) => letter.toUpperCase())}`,
    displayName: `%tool.${name}.title%`,
    userDescription: `%tool.${name}.description%`,
    modelDescription: description,
    icon: '$(graph)',
    tags: ['quantscope', 'language-models'],
    canBeReferencedInPrompt: true,
    inputSchema,
  };
}

/** Written again by `npm run tools`. */
it('package.json contributes the tools of the table', () => {
  const file = join(projectRoot, 'package.json');
  const manifest = JSON.parse(readFileSync(file, 'utf8')) as { contributes: { languageModelTools: unknown } };
  const fresh = tools.map(contributed);
  if (process.env['QUANTSCOPE_UPDATE_DOCS'] === '1') {
    manifest.contributes.languageModelTools = fresh;
    writeFileSync(file, `${JSON.stringify(manifest, undefined, 2)}\n`);
  }
  expect(manifest.contributes.languageModelTools).toEqual(fresh);
});

it('their titles in English are those of the table', () => {
  const texts = JSON.parse(readFileSync(join(projectRoot, 'package.nls.json'), 'utf8')) as object;
  expect(texts).toMatchObject(
    Object.fromEntries(tools.map(({ name, title }) => [`tool.${name}.title`, title])),
  );
});
