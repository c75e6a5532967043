import { relative } from 'node:path';
import * as vscode from 'vscode';
import { taskType } from '../contributions';
import type { Services } from '../services';
import { taskArguments, taskSettings, tasksOf, type TaskSettings } from './taskCommand';

/** Tasks of type `quantscope`: commands of the command line on the models of the workspace, and those of tasks.json. */
export function registerTasks(services: Services): vscode.Disposable {
  return vscode.tasks.registerTaskProvider(taskType, {
    provideTasks: () => offeredTasks(services),
    resolveTask: (task) => {
      const settings = taskSettings(task.definition);
      if (!settings) return undefined;
      const folder = isFolder(task.scope) ? task.scope : vscode.workspace.workspaceFolders?.[0];
      // VS Code takes a resolved task only with the definition that it asked about.
      return folder && taskFor(services, folder, settings, task.definition);
    },
  });
}

const isFolder = (scope: vscode.Task['scope']): scope is vscode.WorkspaceFolder => typeof scope === 'object';

async function offeredTasks(services: Services): Promise<vscode.Task[]> {
  const models = await services.workspaceModels.list();
  return models.flatMap((model) => {
    const folder = vscode.workspace.getWorkspaceFolder(vscode.Uri.file(model.file));
    if (!folder) return [];
    const tasks = tasksOf(model, (path) => relative(folder.uri.fsPath, path));
    return tasks.map((settings) => taskFor(services, folder, settings, { type: taskType, ...settings }));
  });
}

function taskFor(
  { context }: Services,
  folder: vscode.WorkspaceFolder,
  settings: TaskSettings,
  definition: vscode.TaskDefinition,
): vscode.Task {
  const program = vscode.Uri.joinPath(context.extensionUri, 'dist', 'cli.mjs').fsPath;
  const execution = new vscode.ProcessExecution(process.execPath, [program, ...taskArguments(settings)], {
    cwd: folder.uri.fsPath,
    env: { ELECTRON_RUN_AS_NODE: '1' }, // in the desktop product this is not Node itself
  });
  const name = `${settings.command} ${settings.model}`;
  const matchers = ['$quantscope', '$quantscope-doctor'];
  return new vscode.Task(definition, folder, name, 'quantscope', execution, matchers);
}
