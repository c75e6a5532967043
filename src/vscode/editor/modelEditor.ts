import { basename } from 'node:path';
import * as vscode from 'vscode';
import { planEnding } from '../../ampq/planFile';
import { usualConfigName } from '../../model/modelName';
import { isRemote } from '../../model/remote/address';
import { viewTypes } from '../contributions';
import type { ModelSession } from '../modelSession';
import { examinesOnOpening, type Services } from '../services';
import { pathOf } from '../remote/modelUri';
import { BoundEditor } from './boundEditor';
import { openedFiles } from './openedFiles';
import { watchFiles } from './watchFiles';

/** Read-only editors of model files. A file of a larger model shows the whole model, in the session of all its editors. */
export class ModelEditorProvider implements vscode.CustomReadonlyEditorProvider {
  /** Watches the files of each open model, until its last editor is closed. */
  private readonly watchers = new Map<string, vscode.Disposable>();

  constructor(private readonly services: Services) {}

  static register(services: Services): vscode.Disposable {
    const provider = new ModelEditorProvider(services);
    const options = {
      webviewOptions: { retainContextWhenHidden: true },
      supportsMultipleEditorsPerDocument: true,
    };
    return vscode.Disposable.from(
      ...Object.values(viewTypes).map((type) =>
        vscode.window.registerCustomEditorProvider(type, provider, options),
      ),
    );
  }

  openCustomDocument(uri: vscode.Uri): vscode.CustomDocument {
    return { uri, dispose: () => undefined };
  }

  async resolveCustomEditor({ uri }: vscode.CustomDocument, panel: vscode.WebviewPanel): Promise<void> {
    let isOpen = true;
    panel.onDidDispose(() => (isOpen = false));
    // A file that cannot be inspected opens alone, and its error is shown in the editor.
    const path = pathOf(uri);
    if (isRemote(path)) await this.services.remoteAccess.ready;
    const model = await this.services.workspaceModels.locate(path).catch(() => undefined);
    if (!isOpen) return;
    const use = {
      opened: (session: ModelSession): void => this.opened(session),
      closed: (key: string): void => this.close(key),
    };
    new BoundEditor(this.services, panel, openedFiles(path, model), use);
  }

  private close(key: string): void {
    this.watchers.get(key)?.dispose();
    this.watchers.delete(key);
    const { examinations, sessions, engine } = this.services;
    examinations.closed(key);
    const session = sessions.all().find((other) => other.key === key);
    if (session) engine.endChats(session.path);
    sessions.release(key);
  }

  private opened(session: ModelSession): void {
    this.watch(session);
    if (examinesOnOpening(session.path)) void this.services.examinations.opened(session.ref); // never rejects
  }

  /** The model's own files, and plans next to them. */
  private watch(session: ModelSession): void {
    // A server tells of no change: what was read of a file is compared with each answer.
    if (this.watchers.has(session.key) || isRemote(session.path)) return;
    const { start } = this.services;
    const folder = vscode.Uri.joinPath(vscode.Uri.file(session.path), '..');
    const watching = watchFiles(folder, {
      written: (file) => {
        if (isOfModel(session, file)) start(session.reload());
        else if (file.endsWith(planEnding)) start(session.plans.fileChanged(file));
      },
      removed: (file) => {
        if (file.endsWith(planEnding)) session.plans.filesChanged();
      },
    });
    this.watchers.set(session.key, watching);
  }
}

/** Whether a file that was written is one of the model's; a checkpoint may get its configuration later. */
function isOfModel({ path: opened, description }: ModelSession, file: string): boolean {
  if (file === opened || description?.files.some(({ path }) => path === file)) return true;
  return basename(file) === usualConfigName && description !== undefined && description.format !== 'gguf';
}
