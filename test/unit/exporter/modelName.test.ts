import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { previewGguf } from '../../../src/exporter/exportGguf';
import { openModel } from '../../../src/layouts/openModel';
import { temporaryFolder } from '../../support/files';
import { writeCheckpoint } from '../../support/writeCheckpoint';

const root = temporaryFolder();

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
