import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { previewGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/model/openModel';
import { readPooling } from '../../../src/tokenizer/pooling';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const root = temporaryFolder();
let folders = 0;

const module = (name: string, path: string) => ({ type: `sentence_transformers.models.${name}`, path });

function folderWith(modules: unknown, pooling: object = {}): string {
  const folder = join(root, String(folders++));
  mkdirSync(join(folder, '1_Pooling'), { recursive: true });
  writeFileSync(join(folder, 'modules.json'), JSON.stringify(modules));
  writeFileSync(join(folder, '1_Pooling', 'config.json'), JSON.stringify(pooling));
  return folder;
}

const usual = [module('Transformer', ''), module('Pooling', '1_Pooling'), module('Normalize', '2_Normalize')];

describe('pooling of an embedding model', () => {
  it.each([
    [{ pooling_mode_mean_tokens: true, pooling_mode_cls_token: false }, 1],
    [{ pooling_mode_cls_token: true, word_embedding_dimension: 64 }, 2],
    [{ pooling_mode_lasttoken: true, include_prompt: true }, 3],
    [{ pooling_mode: 'lasttoken' }, 3],
  ])('is %j by its module: %i', async (config, type) => {
    expect(await readPooling(folderWith(usual, config))).toEqual({ type, notes: [] });
  });

  it('is noted where GGUF does not express it, and so are other modules', async () => {
    const config = { pooling_mode_mean_tokens: true, pooling_mode_max_tokens: true };
    expect(await readPooling(folderWith([...usual, module('Dense', '3_Dense')], config))).toEqual({
      notes: [
        expect.stringMatching(/lists "sentence_transformers\.models\.Dense"/),
        expect.stringMatching(
          /\(pooling_mode_mean_tokens and pooling_mode_max_tokens\) cannot be expressed in GGUF/,
        ),
      ],
    });
  });

  it('is absent without modules.json, or without a module for it', async () => {
    expect(await readPooling(root)).toEqual({ notes: [] });
    expect(await readPooling(folderWith([module('Transformer', '')]))).toEqual({ notes: [] });
  });

  it.each(['../1_Pooling', '/etc', 'a/b'])('is not looked for outside the folder: %s', async (path) => {
    await expect(readPooling(folderWith([module('Pooling', path)]))).rejects.toThrow(
      /not a folder of this model.*modules\.json/,
    );
  });

  it('rejects a modules.json that is not a list', async () => {
    await expect(readPooling(folderWith({}))).rejects.toMatchObject({ code: 'MODEL_FILE' });
  });
});

describe('the name of a checkpoint in its file', () => {
  const previewIn = async (folder: string, files: Record<string, string> = {}) => {
    await writeCheckpoint(folder, 'llama');
    for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
    const model = await openModel(folder);
    const preview = await previewGguf(model, { type: 'F16' });
    await model.close();
    return preview;
  };

  it('is changed with a note where llama.cpp would take it for Phi-3', async () => {
    const { warnings } = await previewIn(join(root, 'my-Phi-3-tuned'));
    expect(warnings).toEqual([
      expect.stringMatching(/^The model is called "my-phi 3-tuned" in the file, not "my-Phi-3-tuned"/),
    ]);
    expect((await previewIn(join(root, 'plain'))).warnings).toEqual([]);
  });

  it('comes from the model card first', async () => {
    const card = '---\nlicense: mit\nmodel_name: "phi3 of mine"\n---\n# Text\n';
    const { warnings } = await previewIn(join(root, 'carded'), { 'README.md': card });
    expect(warnings).toEqual([expect.stringMatching(/"phi 3 of mine" in the file, not "phi3 of mine"/)]);
  });
});
