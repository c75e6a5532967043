import { describe, expect, it } from 'vitest';
import { lookupOrder } from '../../../src/vscode/lookupOrder';

describe('the order of the models that a name is looked up in', () => {
  const model = (folder: string) => ({ file: `${folder}/model.safetensors.index.json`, folder });

  it('begins with those of the folder, then the one in use and other open ones, then the nearest; each once', () => {
    const open = ['/w/b/model.safetensors.index.json', '/x/y.gguf'];
    const models = [model('/w/far/away/from'), model('/w/b'), model('/w/c/sub'), model('/w/c')];
    expect(lookupOrder(open, models, '/w/c')).toEqual([
      '/w/c/model.safetensors.index.json',
      ...open,
      '/w/c/sub/model.safetensors.index.json',
      '/w/far/away/from/model.safetensors.index.json',
    ]);
  });

  it('ends after the nearest sixteen', () => {
    const models = Array.from({ length: 40 }, (_, i) => model(`/w/${i}`));
    expect(lookupOrder([], models, '/w/30')).toHaveLength(16);
    expect(lookupOrder([], models, '/w/30')[0]).toContain('/w/30/');
  });
});
