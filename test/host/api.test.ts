import { deepStrictEqual, match, ok, rejects, strictEqual, throws } from 'node:assert/strict';
import { copyFileSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import type { Model, ModelChange, QuantscopeApi, QuantscopeExports } from '../../api/quantscope';

const folder = vscode.workspace.workspaceFolders![0]!.uri;
const weights = vscode.Uri.joinPath(folder, 'model.safetensors');
const tensor = 'model.layers.3.mlp.down_proj.weight';

/** Waits for an event. */
const next = (model: Model, wanted: ModelChange): Promise<void> =>
  new Promise((resolve) => {
    const listening = model.onDidChange((change) => {
      if (change !== wanted) return;
      listening.dispose();
      resolve();
    });
  });

describe('the API for other extensions', () => {
  let api: QuantscopeApi;
  let model: Model;
  before(async () => {
    const extension = vscode.extensions.getExtension<QuantscopeExports>('quantscope.quantscope')!;
    const exported = await extension.activate();
    throws(() => void exported.getApi(2 as 1), /has version 1 of its API, not 2/);
    api = exported.getApi(1);
    model = await api.openModel(weights);
  });
  after(() => void model.dispose());

  it('runs the example of its documentation as a second extension', async () => {
    const names = await vscode.commands.executeCommand<string[]>(
      'quantscopeExample.mostBits',
      ...[weights, 5, 3],
    );
    strictEqual(names.length, 3);
    for (const name of names) match(name, /^[\w.]+\.weight: \w+$/);
  });

  it('finds and describes models', async () => {
    ok((await api.findModels()).some(({ fsPath }) => fsPath.startsWith(folder.fsPath)));
    match(api.version, /^1\.\d+\.\d+$/);
    const { description } = model;
    deepStrictEqual([description.format, description.tensors.length], ['safetensors', 57]);
    deepStrictEqual(
      description.tensors.map(({ bytes }) => bytes).reduce((a, b) => a + b, 0),
      description.bytes,
    );
  });

  it('gives statistics, and errors with a code and a place', async () => {
    const { count, nans, percentiles } = await model.statistics(tensor);
    const described = model.description.tensors.find(({ name }) => name === tensor)!;
    deepStrictEqual([count, nans], [described.elements, 0]);
    ok(percentiles.length > 2);
    await rejects(model.statistics('none'), { code: 'REQUEST' });
    await rejects(api.openModel(vscode.Uri.joinPath(folder, 'missing.gguf')), { name: 'QuantscopeError' });
    await rejects(api.openModel(vscode.Uri.parse('https://example.org/a.gguf')), { code: 'REQUEST' });
  });

  it('recommends plans, whose content is a plan file that it reads again', async () => {
    const plan = await model.recommend({ bitsPerWeight: 5 }, { weightsOnly: true });
    ok(plan.bitsPerWeight <= 5);
    const file = vscode.Uri.joinPath(folder, 'api.ampq.json');
    const told = next(model, 'plans');
    writeFileSync(file.fsPath, plan.json);
    await told;
    try {
      ok((await model.planFiles()).some(({ fsPath }) => fsPath === file.fsPath));
      deepStrictEqual((await model.readPlan(file)).assignments, plan.assignments);
    } finally {
      rmSync(file.fsPath);
    }
    await rejects(model.recommend({ bitsPerWeight: 5, bytes: 1 }), /one goal/);
    await rejects(model.recommend({ bitsPerWeight: -1 }), /positive number/);
  });

  it('gives what was measured, and nothing of a model that was not', async () => {
    const [row] = await model.sensitivities();
    const [cell] = row!.formats;
    ok(cell!.relativeSquaredError >= 0 && cell!.bytes > 0);
  });

  it('tells when the files of a model were written', async () => {
    const other = mkdtempSync(join(tmpdir(), 'quantscope-api-'));
    const file = join(other, 'one.safetensors');
    copyFileSync(weights.fsPath, file);
    const opened = await api.openModel(vscode.Uri.file(file));
    const told = next(opened, 'files');
    const header = Buffer.from(JSON.stringify({ w: { dtype: 'F32', shape: [1], data_offsets: [0, 4] } }));
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length));
    // The watcher starts in the background: a file that is written before is not told.
    const writing = setInterval(
      () => writeFileSync(file, Buffer.concat([length, header, Buffer.alloc(4)])),
      1000,
    );
    await told.finally(() => clearInterval(writing));
    deepStrictEqual(
      opened.description.tensors.map(({ name }) => name),
      ['w'],
    );
    opened.dispose();
    await rejects(opened.statistics('w'), { code: 'CANCELLED' });
    rmSync(other, { recursive: true });
  });

  it('cancels calls', async () => {
    const source = new vscode.CancellationTokenSource();
    const running = model.recommend({ bitsPerWeight: 4.2 }, { token: source.token });
    source.cancel();
    await rejects(running, { code: 'CANCELLED' });
  });

  it('shows a model in its editor', async () => {
    await api.showModel(weights, { tensor });
    const { activeTab } = vscode.window.tabGroups.activeTabGroup;
    ok(activeTab?.input instanceof vscode.TabInputCustom);
    match(activeTab.input.viewType, /^quantscope\./); // of any file of the model
  });
});
