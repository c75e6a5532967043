import * as vscode from 'vscode';
import { Rpc } from '../../protocol/rpc';
import type { HostEvents, WebviewRequests } from '../../protocol/webview';
import { viewTypes } from '../contributions';
import type { ModelSession } from '../modelSession';
import { planEnding } from '../plansBeside';
import type { Services } from '../services';
import { EditorPage } from './editors';
import { pageHandlers } from './handlers';
import { editorHtml } from './html';
import { watchFiles } from './watchFiles';

type HostRpc = Rpc<WebviewRequests, Record<never, never>, Record<never, never>, HostEvents>;

/** Read-only editors of model files. */
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

  resolveCustomEditor(document: vscode.CustomDocument, panel: vscode.WebviewPanel): void {
    const { sessions, evaluations, editors, context } = this.services;
    const path = document.uri.fsPath;
    const session = sessions.get(path);
    if (!this.watchers.has(path)) this.watchers.set(path, this.watch(document.uri, session));
    panel.webview.options = {
      enableScripts: true,
      localResourceRoots: [vscode.Uri.joinPath(context.extensionUri, 'dist')],
    };
    const page: EditorPage = new EditorPage(path, ({ tensor, tab }) => {
      if (tensor !== undefined) rpc.notify('reveal', { tensor });
      if (tab !== undefined) rpc.notify('tab', tab);
    });
    const rpc = this.connect(panel, session, page);
    const events = vscode.Disposable.from(
      session.onEvent(({ name, payload }) => rpc.notify(name, payload)),
      evaluations.get(path).onEvent(({ name, payload }) => rpc.notify(name, payload)),
    );
    const use = (): void => {
      editors.use(page);
      sessions.activate(session);
    };
    editors.add(page);
    use();
    panel.onDidChangeViewState(() => {
      if (panel.active) use();
    });
    panel.onDidDispose(() => {
      rpc.dispose();
      events.dispose();
      if (editors.remove(page)) this.close(path);
    });
    panel.webview.html = editorHtml(panel.webview, context.extensionUri);
  }

  private close(path: string): void {
    this.watchers.get(path)?.dispose();
    this.watchers.delete(path);
    this.services.sessions.release(path);
  }

  /** The model's own files, and plans beside them. */
  private watch(uri: vscode.Uri, session: ModelSession): vscode.Disposable {
    const { start } = this.services;
    return watchFiles(vscode.Uri.joinPath(uri, '..'), (file) => {
      if (file === uri.fsPath || session.description?.files.some(({ path }) => path === file))
        start(session.reload());
      else if (file.endsWith(planEnding)) start(session.planFileChanged(file));
    });
  }

  private connect(panel: vscode.WebviewPanel, session: ModelSession, page: EditorPage): HostRpc {
    const { log, start } = this.services;
    const post = async (message: unknown): Promise<void> => {
      if (!(await panel.webview.postMessage(message))) log.debug('A message to a closed editor was dropped.');
    };
    return new Rpc(
      {
        post: (message) => start(post(message)),
        onMessage: (listener) => panel.webview.onDidReceiveMessage(listener),
      },
      pageHandlers(this.services, session, page),
    );
  }
}
