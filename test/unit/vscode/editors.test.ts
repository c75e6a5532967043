import { describe, expect, it } from 'vitest';
import type { EditorState } from '../../../src/protocol/editorState';
import { EditorPage, Editors, type EditorRequest } from '../../../src/vscode/editor/editors';
import { fileNameOf, folderOf, freeFolder, viewTypeOf } from '../../../src/vscode/paths';
import { sampleFolder, temporaryFolder } from '../../support/files';
import { mkdirSync } from 'node:fs';
import { join } from 'node:path';

const state = { revision: 1 } as EditorState;

function pageOf(path: string) {
  const told: EditorRequest[] = [];
  const revealed: number[] = [];
  const page = new EditorPage(path, {
    tell: (request) => told.push(request),
    reveal: () => revealed.push(told.length),
    openAlone: () => Promise.resolve(),
  });
  return { page, told, revealed };
}

describe('what a command shows in an editor', () => {
  it('waits for the page that it was meant for, and is never seen by the next split', () => {
    const editors = new Editors();
    const first = pageOf('/a');
    editors.add(first.page);
    editors.show('/a', { tab: 'export' });
    editors.show('/a', { tensor: 'x' });
    const split = pageOf('/a');
    editors.add(split.page);
    expect(split.page.loaded(state)).toStrictEqual({ revision: 1 });
    expect(first.page.loaded(state)).toEqual({ revision: 1, tab: 'export', reveal: 'x' });
    expect(first.page.loaded(state)).toEqual({ revision: 1 }); // a reloaded page begins with the current state
    expect([first.told, split.told]).toEqual([[], []]);
  });

  it('goes to the editor of the model that was used last', () => {
    const editors = new Editors();
    const [a, b, other] = [pageOf('/a'), pageOf('/a'), pageOf('/other')];
    for (const { page } of [a, b, other]) {
      editors.add(page);
      page.loaded(state);
    }
    editors.use(a.page);
    editors.use(other.page);
    editors.show('/a', { tab: 'evaluate' });
    expect([a.told, b.told, other.told]).toEqual([[{ tab: 'evaluate' }], [], []]);
  });

  it('comes to the front with that editor, however it was opened', () => {
    const editors = new Editors();
    expect(editors.reveal('/a')).toBe(false);
    const [a, b] = [pageOf('/a'), pageOf('/a')];
    editors.add(a.page);
    editors.add(b.page);
    editors.use(a.page);
    expect(editors.reveal('/a')).toBe(true);
    expect([a.revealed, b.revealed, editors.reveal('/b')]).toEqual([[0], [], false]);
  });

  it('is kept for an editor that is about to open, once', () => {
    const editors = new Editors();
    editors.show('/a', { tensor: 'x' });
    const [foreign, first, second] = [pageOf('/b'), pageOf('/a'), pageOf('/a')];
    for (const { page } of [foreign, first, second]) editors.add(page);
    expect([foreign, first, second].map(({ page }) => page.loaded(state).reveal)).toEqual([
      ...[undefined, 'x', undefined],
    ]);
  });

  it('knows the editors of each model', () => {
    const editors = new Editors();
    const [a, b] = [pageOf('/a').page, pageOf('/b').page];
    expect(editors.has('/a')).toBe(false);
    editors.add(a);
    editors.add(b);
    expect(editors.remove(a)).toBe(true);
    expect([editors.has('/a'), editors.has('/b'), editors.has('/c')]).toEqual([false, true, false]);
  });

  it('knows the last editor of a model', () => {
    const editors = new Editors();
    const [a, b] = [pageOf('/a').page, pageOf('/a').page];
    editors.add(a);
    editors.add(b);
    expect([editors.remove(a), editors.has('/a'), editors.remove(b), editors.has('/a')]).toEqual([
      ...[false, true, true, false],
    ]);
  });
});

describe('paths of models', () => {
  it('a folder is a folder whatever its name, and a file’s folder is where it is', () => {
    const folder = join(temporaryFolder(), 'Llama-3.1-8B');
    mkdirSync(folder);
    expect(folderOf(folder)).toBe(folder);
    expect(folderOf(join(sampleFolder, 'model.safetensors'))).toBe(sampleFolder);
    expect(folderOf('/nowhere/model')).toBe('/nowhere');
  });

  it('a suggested folder is one that does not exist yet', () => {
    const out = join(temporaryFolder(), 'model-awq');
    expect(freeFolder(out)).toBe(out);
    mkdirSync(out);
    mkdirSync(`${out}-2`);
    expect(freeFolder(out)).toBe(`${out}-3`);
  });

  it.each([
    ['Qwen/Qwen2.5 0.5B', 'Qwen-Qwen2.5 0.5B'],
    ['../../etc/passwd', '-..-etc-passwd'],
    ['a\u0000b\n<c>:"d"|?*', 'a-b-c-d-'],
    ['..', 'unnamed'],
    ['x'.repeat(300), 'x'.repeat(120)],
  ])('a file made from %j is called %j', (name, file) => expect(fileNameOf(name)).toBe(file));

  it.each([
    ['/m/model.safetensors.index.json', 'quantscope.index'],
    ['/m/model.safetensors.index.fp16.json', 'quantscope.index'],
    ['/m/model.safetensors', 'quantscope.model'],
    ['/m/index.gguf', 'quantscope.model'],
  ])('%s opens in %s', (path, viewType) => expect(viewTypeOf(path)).toBe(viewType));
});
