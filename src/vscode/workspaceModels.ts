import * as vscode from 'vscode';
import type { LocatedModel } from '../protocol/model';
import { contextKeys, modelGlob, otherGlob } from './contributions';
import type { Engine } from './host';

/** Most files inspected; larger workspaces are model collections, where files are opened by hand. */
const maxFiles = 2_000;

/** The models of the workspace, each once, however many files it has. The engine finds them; they are kept until a file changes. */
export class WorkspaceModels implements vscode.Disposable {
  private models: Promise<readonly LocatedModel[]> | undefined;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(modelGlob, false, true, false);

  constructor(private readonly engine: Engine) {
    const forget = (): void => (this.models = undefined);
    this.watcher.onDidCreate(forget);
    this.watcher.onDidDelete(forget);
  }

  list(): Promise<readonly LocatedModel[]> {
    this.models ??= this.read().catch((error: unknown) => {
      this.models = undefined; // the next call asks the engine again
      throw error;
    });
    return this.models;
  }

  /** The model of a path; undefined where there is none. */
  async locate(path: string): Promise<LocatedModel | undefined> {
    const [located] = await this.engine.call('model/locate', { paths: [path] });
    return located;
  }

  /** The file that identifies the model of a path; the path itself where no model is found there. */
  async fileOf(path: string): Promise<string> {
    return (await this.locate(path))?.file ?? path;
  }

  dispose(): void {
    this.watcher.dispose();
  }

  private async read(): Promise<readonly LocatedModel[]> {
    const found = await vscode.workspace.findFiles(modelGlob, otherGlob, maxFiles);
    const paths = found.map(({ fsPath }) => fsPath).sort((a, b) => a.localeCompare(b));
    // Without a candidate the engine is not started: the extension is active in every Python workspace.
    const models = paths.length === 0 ? [] : await this.engine.call('model/locate', { paths });
    await vscode.commands.executeCommand('setContext', contextKeys.modelFolders, [
      ...new Set(models.map(({ folder }) => folder)),
    ]);
    return models;
  }
}
