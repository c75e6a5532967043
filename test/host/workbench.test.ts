import { deepStrictEqual, match, ok, strictEqual } from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import * as vscode from 'vscode';
import packageJson from '../../package.json';
import type { ExtensionApi } from '../../src/extension';
import { commands, views } from '../../src/vscode/contributions';
import { eventually } from './eventually';

const extension = vscode.extensions.getExtension<ExtensionApi>('quantscope.quantscope')!;

/** Exit status of a task that is run to its end. */
async function exitOf(task: vscode.Task): Promise<number | undefined> {
  const ended = new Promise<number | undefined>((resolve) => {
    const listening = vscode.tasks.onDidEndTaskProcess(({ execution, exitCode }) => {
      if (execution.task.name !== task.name) return;
      listening.dispose();
      resolve(exitCode);
    });
  });
  await vscode.tasks.executeTask(task);
  return ended;
}

describe('the workbench', () => {
  before(async () => {
    await extension.activate();
  });

  it('has tasks for the models of the workspace, which run the command line', async function () {
    this.timeout(120_000);
    const tasks = await vscode.tasks.fetchTasks({ type: 'quantscope' });
    const ofSample = tasks.filter(({ definition }) => definition['model'] === 'model.safetensors');
    deepStrictEqual(ofSample.map(({ definition }) => String(definition['command'])).sort(), [
      ...['doctor', 'eval', 'export', 'recommend'],
    ]);
    const doctor = ofSample.find(({ definition }) => definition['command'] === 'doctor')!;
    deepStrictEqual(doctor.problemMatchers, ['$quantscope', '$quantscope-doctor']);
    strictEqual(await exitOf(doctor), 0);
  });

  it('binds keys that VS Code has not bound', async () => {
    const uri = vscode.Uri.parse('vscode://defaultsettings/keybindings.json');
    const text = (await vscode.workspace.openTextDocument(uri)).getText();
    const bound = new Set(
      [...text.matchAll(/"key":\s*"([^"]+)"\s*,\s*"command":\s*"([^"]+)"/g)]
        .filter(([, , command]) => !command!.startsWith('quantscope.'))
        .map(([, key]) => key),
    );
    ok(bound.size > 300, `${bound.size} keys of VS Code`);
    const own = packageJson.contributes.keybindings;
    strictEqual(new Set(own.map(({ key }) => key)).size, own.length);
    for (const { key, command, when } of own) {
      ok(!bound.has(key), `${key} is bound`);
      ok(Object.values<string>(commands).includes(command), command);
      ok(when.length > 0, command);
    }
  });

  it('logs what the engine prints at its level', async () => {
    const folder = mkdtempSync(join(tmpdir(), 'quantscope-warns-'));
    const before = process.env['NODE_OPTIONS'];
    writeFileSync(join(folder, 'warn.cjs'), "process.emitWarning('seen by a test');");
    process.env['NODE_OPTIONS'] = `--require ${join(folder, 'warn.cjs')}`;
    try {
      await vscode.commands.executeCommand(commands.restartEngine);
    } finally {
      if (before === undefined) delete process.env['NODE_OPTIONS'];
      else process.env['NODE_OPTIONS'] = before;
    }
    await vscode.commands.executeCommand(commands.showLog);
    const line = await eventually('the warning is in the log', () => {
      const shown = vscode.workspace.textDocuments.find(
        ({ uri }) => uri.scheme === 'output' && uri.path.includes('Quantscope'),
      );
      return shown?.getText().match(/.*Warning: seen by a test/)?.[0];
    });
    match(line, /\[warning\] engine: \(node:\d+\) Warning/);
    rmSync(folder, { recursive: true });
    await vscode.commands.executeCommand(commands.restartEngine);
  });

  it('opens its views by commands', async () => {
    await vscode.commands.executeCommand(`${views.models}.focus`);
    await vscode.commands.executeCommand(commands.openWalkthrough);
  });

  it('is loaded in less than 50 ms of processor time', function () {
    const file = join(extension.extensionPath, 'dist', 'extension.cjs');
    const load = createRequire(file);
    const times = Array.from({ length: 5 }, () => {
      delete load.cache[file];
      const start = process.cpuUsage();
      load(file);
      const { user, system } = process.cpuUsage(start);
      return (user + system) / 1000;
    });
    const [activation] = performance.getEntriesByName('quantscope.activate');
    const figures = { load: Math.min(...times), activate: activation?.duration };
    this.test!.title += `: ${JSON.stringify(figures)}`; // the report has them
    ok(figures.load < 50, JSON.stringify(figures));
  });
});
