import { join, sep } from 'node:path';
import * as vscode from 'vscode';
import type { LocatedModel } from '../protocol/model';
import { contextKeys, modelGlob, otherGlob } from './contributions';
import { Emitter } from './emitter';
import type { Engine } from './host';
import { setContext } from './setContext';

/** Most files inspected; larger workspaces are model collections, where files are opened by hand. */
const maxFiles = 2_000;

/** Names that folders hardly have: those are not looked at when they appear, as builds make many. */
const fileName = /\.[a-z]{1,6}$/i;

/** The models of the workspace, each once, however many files it has. The engine finds them; they are kept until a file changes. */
export class WorkspaceModels implements vscode.Disposable {
  private models: Promise<readonly LocatedModel[]> | undefined;
  private readonly changed = new Emitter<void>();
  /** Fires when a file of a model appears or goes. */
  readonly onChange = this.changed.event;
  private readonly watcher = vscode.workspace.createFileSystemWatcher(modelGlob, false, true, false);
  private readonly folders = vscode.workspace.createFileSystemWatcher('**/*', false, true, false);
  /** Folders of the models that were found last. */
  private folderPaths: readonly string[] = [];

  constructor(private readonly engine: Engine) {
    this.watcher.onDidCreate(() => this.forget());
    this.watcher.onDidDelete(() => this.forget());
    // Of a folder that appears or goes with all that is in it, only the folder itself may be told.
    this.folders.onDidCreate(({ fsPath }) => {
      if (!fileName.test(fsPath)) void this.forgetIfFolder(fsPath);
    });
    this.folders.onDidDelete(({ fsPath }) => {
      if (this.folderPaths.some((folder) => folder === fsPath || folder.startsWith(join(fsPath, sep))))
        this.forget();
    });
  }

  list(): Promise<readonly LocatedModel[]> {
    this.models ??= this.search();
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

  /** The next call searches again. */
  forget(): void {
    this.models = undefined;
    this.changed.fire();
  }

  private async forgetIfFolder(path: string): Promise<void> {
    const found = await vscode.workspace.findFiles(new vscode.RelativePattern(path, modelGlob), otherGlob, 1);
    if (found.length > 0) this.forget();
  }

  dispose(): void {
    this.changed.dispose();
    this.watcher.dispose();
    this.folders.dispose();
  }

  /** A search that was forgotten meanwhile changes nothing. */
  private search(): Promise<readonly LocatedModel[]> {
    const models: Promise<readonly LocatedModel[]> = this.read().then(
      async (found) => {
        if (this.models === models) await this.tellFolders(found);
        return found;
      },
      (error: unknown) => {
        if (this.models === models) this.models = undefined; // the next call asks the engine again
        throw error;
      },
    );
    return models;
  }

  private async read(): Promise<readonly LocatedModel[]> {
    const found = await vscode.workspace.findFiles(modelGlob, otherGlob, maxFiles);
    const paths = found.map(({ fsPath }) => fsPath).sort((a, b) => a.localeCompare(b));
    // Without a candidate the engine is not started: the extension is active in every Python workspace.
    return paths.length === 0 ? [] : this.engine.call('model/locate', { paths });
  }

  /** Menus of the explorer ask for them. */
  private async tellFolders(models: readonly LocatedModel[]): Promise<void> {
    this.folderPaths = [...new Set(models.map(({ folder }) => folder))];
    await setContext(contextKeys.modelFolders, this.folderPaths);
  }
}
