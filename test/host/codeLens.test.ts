import { deepStrictEqual, ok, strictEqual } from 'node:assert/strict';
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import * as vscode from 'vscode';
import type { ExtensionApi } from '../../src/extension';
import { lensChanges } from '../../src/vscode/codeLens/lensChanges';
import { commands } from '../../src/vscode/contributions';
import { Emitter } from '../../src/vscode/emitter';
import { eventually } from './eventually';

const extension = vscode.extensions.getExtension<ExtensionApi>('quantscope.quantscope')!;
const folder = vscode.workspace.workspaceFolders![0]!.uri.fsPath;
const shared = join(dirname(extension.extensionPath), 'shared', 'data', 'index');

/** The lenses of a document. Those that had to be resolved are at the end, in the order in which they were. */
async function lensesOf(...path: string[]): Promise<vscode.Command[]> {
  const document = await vscode.workspace.openTextDocument(join(folder, ...path));
  const lenses = await vscode.commands.executeCommand<vscode.CodeLens[]>(
    'vscode.executeCodeLensProvider',
    document.uri,
    10,
  );
  return lenses.flatMap(({ command }) => (command?.command.startsWith('quantscope.') ? [command] : []));
}

/** As long as it takes until watchers of files tell, or have told. */
const listening = (): Promise<void> => new Promise((resolve) => setTimeout(resolve, 1_500));

describe('CodeLens of models', () => {
  let api: ExtensionApi;
  before(async () => {
    api = await extension.activate();
  });
  after(() => {
    for (const name of ['other', 'drawn.ampq.json', 'real-index'])
      rmSync(join(folder, name), { recursive: true, force: true });
  });

  it('says above config.json what the model takes now and by its plan, and what can be done', async () => {
    const lenses = await lensesOf('config.json');
    deepStrictEqual(
      lenses.slice(0, 3).map(({ title, command }) => [title, command]),
      [
        ['Open Model', commands.openModel],
        ['Recommend', commands.recommendPlan],
        ['Export…', commands.exportGguf],
      ],
    );
    const sizes = lenses.slice(3);
    const [now, planned] = [commands.openModel, commands.recommendPlan].map((id) =>
      sizes.find(({ command }) => command === id),
    );
    strictEqual(sizes.length, 2);
    strictEqual(now?.title, '10.49 MB now, BF16');
    ok(/^3\.\d\d MB at 4\.8\d bits per weight, not measured yet$/.test(planned?.title ?? ''), planned?.title);
    for (const { arguments: given } of lenses)
      deepStrictEqual(given, [{ model: join(folder, 'model.safetensors') }]);
  });

  it('is the same above an index of the model', async () => {
    const titles = (await lensesOf('model.safetensors.index.json')).map(({ title }) => title);
    ok(titles.includes('10.49 MB now, BF16'), titles.join());
    strictEqual(titles.length, 5);
  });

  it('is not shown above configurations and indexes of other things, for which no engine starts', async () => {
    mkdirSync(join(folder, 'other'), { recursive: true });
    for (const name of ['config.json', 'search.index.json']) writeFileSync(join(folder, 'other', name), '{}');
    await withoutEngine(async () => {
      deepStrictEqual(await lensesOf('other', 'config.json'), []);
      deepStrictEqual(await lensesOf('other', 'search.index.json'), []);
      deepStrictEqual(api.engineProcesses(), []);
      await lensesOf('config.json');
      strictEqual(api.engineProcesses().length, 1);
    });
  });

  it('is drawn again when a plan file or a measurement appears, changes or goes', async () => {
    const measured = mkdtempSync(join(tmpdir(), 'quantscope-measured-'));
    const none = new Emitter<never>().event;
    let drawn = 0;
    const services = {
      ...{ workspaceModels: { onChange: none }, sessions: { onActive: none, onEvent: none } },
      sensitivityDir: measured,
    } as unknown as Parameters<typeof lensChanges>[0];
    const changes = lensChanges(services, () => (drawn += 1));
    try {
      await listening();
      const [plan, cells] = [join(folder, 'drawn.ampq.json'), join(measured, 'cells.jsonl')];
      await drawnBy('a plan was written', () => writeFileSync(plan, '{}'));
      await drawnBy('a plan was changed', () => writeFileSync(plan, '{ }'));
      await drawnBy('something was measured', () => writeFileSync(cells, '{}\n'));
      await drawnBy('measurements were forgotten', () => rmSync(cells));
      await drawnBy('a plan was removed', () => rmSync(plan));
    } finally {
      changes.dispose();
      rmSync(measured, { recursive: true });
    }

    async function drawnBy(what: string, change: () => void): Promise<void> {
      const before = drawn;
      change();
      await eventually(`lenses are drawn after ${what}`, () => drawn > before);
      await listening(); // late events of this change are not those of the next
    }
  });

  /** Ends the engine's processes, as a change of its settings does, and runs something. */
  async function withoutEngine(run: () => Promise<void>): Promise<void> {
    const settings = vscode.workspace.getConfiguration('http');
    await settings.update('proxy', 'http://127.0.0.1:9', vscode.ConfigurationTarget.Global);
    try {
      await eventually('no engine runs', () => api.engineProcesses().length === 0);
      await run();
    } finally {
      await settings.update('proxy', undefined, vscode.ConfigurationTarget.Global);
    }
  }

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
