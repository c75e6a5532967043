import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { ExtensionApi } from '../../src/extension';
import { commands } from '../../src/vscode/contributions';

const extension = vscode.extensions.getExtension<ExtensionApi>('quantscope.quantscope')!;
const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const shared = join(dirname(extension.extensionPath), 'shared', 'data', 'index');

/** The lenses of a document, those that had to be resolved at the end, as the request for them gives them. */
async function lensesOf(...path: string[]): Promise<vscode.Command[]> {
  const document = await vscode.workspace.openTextDocument(join(folder, ...path));
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    document.uri,
    10,
  );
  return lenses.flatMap(({ command }) => (command?.command.startsWith('quantscope.') ? [command] : []));
}

describe('CodeLens of models', () => {
  before(() => extension.activate());
  after(() => {
    for (const name of ['other', 'real-index']) rmSync(join(folder, name), { recursive: true, force: true });
  });

  it('says above config.json what the model takes now and by its plan, and what can be done', async () => {
    const lenses = await lensesOf('config.json');
    deepStrictEqual(
      lenses.slice(0, 4).map(({ title, command }) => [title, command]),
      [
        ['Open Model', commands.openModel],
        ['Recommend', commands.recommendPlan],
        ['Export…', commands.exportGguf],
        ['10.49 MB now, BF16', commands.openModel],
      ],
    );
    const { title, command } = lenses[4]!;
    ok(/^3\.\d\d MB at 4\.8\d bits per weight, not measured yet$/.test(title), title);
    strictEqual(command, commands.recommendPlan);
    for (const { arguments: given } of lenses)
      deepStrictEqual(given, [{ model: join(folder, 'model.safetensors') }]);
  });

  it('is the same above an index of the model', async () => {
    const titles = (await lensesOf('model.safetensors.index.json')).map(({ title }) => title);
    ok(titles.includes('10.49 MB now, BF16'), titles.join());
    strictEqual(titles.length, 5);
  });

  it('is not shown above configurations of other things', async () => {
    mkdirSync(join(folder, 'other'), { recursive: true });
    writeFileSync(join(folder, 'other', 'config.json'), '{}');
    deepStrictEqual(await lensesOf('other', 'config.json'), []);
  });

  it('says above real indexes that the shards are missing', async function () {
    if (!existsSync(shared)) this.skip();
    const model = 'mixtral-8x22b-wizardlm2';
    cpSync(join(shared, model), join(folder, 'real-index', model), { recursive: true });
    for (const name of ['config.json', 'model.safetensors.index.json']) {
      const titles = (await lensesOf('real-index', model, name)).map(({ title }) => title);
      ok(titles.includes('59 files missing'), titles.join());
    }
  });
});
