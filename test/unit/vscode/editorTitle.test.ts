import { describe, expect, it } from 'vitest';
import { editorTitle } from '../../../src/vscode/editor/editorTitle';

describe('the title of an editor', () => {
  it.each([
    ['/models/Llama-3.1-8B/model.safetensors.index.json', 'Llama-3.1-8B'],
    ['/models/Llama-3.1-8B', 'Llama-3.1-8B'],
    ['/models/llama-Q4_K_M.gguf', 'llama-Q4_K_M'],
  ])('of %s is its name by its files', (path, title) => {
    expect(editorTitle({ path })).toBe(title);
  });

  it('has the number of a file that is shown alone', () => {
    const path = '/models/tiny/model-00002-of-00003.safetensors';
    expect(editorTitle({ path, part: { file: path, number: 2, count: 3, alone: true } })).toBe(
      'tiny (2 of 3)',
    );
  });
});
