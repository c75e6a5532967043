import { mkdirSync, symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { beforeEach, describe, expect, it } from 'vitest';
import { findFolderTarget, holdsModel } from '../../../src/files/folderTarget';
import { temporaryFolder } from '../../support/files';

const root = temporaryFolder();
let folder: string;
let tests = 0;
const here = (name: string): string => join(folder, name);
/** A model in the folder "model" of these files. */
const model = (...names: string[]): Parameters<typeof holdsModel>[1] => ({
  folder: here('model'),
  files: names.map((name) => ({ path: here(`model/${name}`), size: 0, mtimeMs: 0, headerHash: '' })),
});

beforeEach(() => {
  folder = join(root, String(tests++));
  mkdirSync(here('model/deep'), { recursive: true });
  mkdirSync(here('elsewhere'));
  symlinkSync(here('model'), here('link'));
  symlinkSync(here('elsewhere'), here('model/away'));
});

describe('a folder of results', () => {
  const inside = ['model', 'model/', 'model/x', 'model/deep', 'model/deep/x/y', 'link', 'link/x'];

  it.each([...inside, 'elsewhere/../model/x', 'model/away/../x'])(
    'is rejected in a checkpoint, however it is spelled: %s',
    async (name) => {
      for (const of of [model('model.safetensors', 'config.json'), model('model.safetensors.index.json')])
        await expect(findFolderTarget(`${folder}/${name}`, of)).rejects.toMatchObject({
          code: 'REQUEST',
          message: expect.stringMatching(
            /^The output folder is that of the model \(.*\), or lies in it/,
          ) as string,
        });
    },
  );

  it.each(['elsewhere', 'model/away', 'model/away/x', 'model2'])('may lie elsewhere: %s', async (name) => {
    const target = await findFolderTarget(here(name), model('model.safetensors', 'config.json'));
    expect(target.path).toBe(here(name));
    expect(target.exists).toBe(['elsewhere', 'model/away'].includes(name));
  });

  it.each(inside)('may lie next to a file that is a model by itself: %s', async (name) => {
    await findFolderTarget(here(name), model('downloaded.safetensors'));
  });

  it('holds a model if the model or a file of it lies below it', async () => {
    writeFileSync(here('elsewhere/blob'), '');
    symlinkSync(here('elsewhere/blob'), here('model/model.safetensors'));
    const downloaded = model('model.safetensors', 'config.json');
    for (const name of ['.', 'model', 'link', 'elsewhere', 'model/away'])
      expect(await holdsModel(here(name), downloaded), name).toBe(true);
    for (const name of ['model/deep', 'absent']) expect(await holdsModel(here(name), downloaded)).toBe(false);
  });
});
