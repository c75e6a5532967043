import * as vscode from 'vscode';
import { commands, views, walkthrough } from '../contributions';
import type { Services } from '../services';
import { JobsTree } from './jobsTree';
import { ModelsTree } from './modelsTree';

/** The views of the activity bar: models of the workspace, and jobs that run. */
export function registerViews(services: Services): vscode.Disposable {
  const models = new ModelsTree(services);
  const jobs = new JobsTree(services.engine);
  return vscode.Disposable.from(
    ...[models, jobs],
    vscode.window.createTreeView(views.models, { treeDataProvider: models, showCollapseAll: true }),
    vscode.window.createTreeView(views.jobs, { treeDataProvider: jobs }),
    vscode.commands.registerCommand(commands.openWalkthrough, () =>
      vscode.commands.executeCommand('workbench.action.openWalkthrough', walkthrough, false),
    ),
    vscode.commands.registerCommand(commands.refreshModels, () => services.workspaceModels.forget()),
  );
}
