import * as vscode from 'vscode';
import type { ExportSettings } from '../../protocol/export';
import { PlanSteps } from '../../protocol/planStep';
import { Rpc, type Handlers } from '../../protocol/rpc';
import type { HostEvents, PanelSettings, WebviewRequests } from '../../protocol/webview';
import { commands, viewTypes } from '../contributions';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { evaluationHandlers } from './evaluationHandlers';
import { loadTensorTypes, saveTensorTypes } from './exportFiles';
import { chooseFile } from './files';
import { editorHtml } from './html';

type HostRpc = Rpc<WebviewRequests, Record<never, never>, Record<never, never>, HostEvents>;

/** How long a file must be quiet before the editor reads it again (milliseconds): writers write in pieces. */
const changeDelay = 500;

/** Read-only editors of model files. */
export class ModelEditorProvider implements vscode.CustomReadonlyEditorProvider {
  /** Open panels per model: the last one to close ends the session. */
  private readonly panels = new Map<string, number>();

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
    const { sessions, evaluations, context } = this.services;
    const path = document.uri.fsPath;
    const session = sessions.get(path);
    sessions.activate(session);
    this.panels.set(path, (this.panels.get(path) ?? 0) + 1);
    panel.webview.options = {
      enableScripts: true,
      localResourceRoots: [vscode.Uri.joinPath(context.extensionUri, 'dist')],
    };
    const rpc = this.connect(panel, session);
    const watching = watchFile(document.uri, () => {
      panel.webview.html = editorHtml(panel.webview, context.extensionUri);
    });
    const events = vscode.Disposable.from(
      session.onEvent(({ name, payload }) => rpc.notify(name, payload)),
      evaluations.get(path).onEvent(({ name, payload }) => rpc.notify(name, payload)),
    );
    panel.onDidChangeViewState(() => {
      if (panel.active) sessions.activate(session);
    });
    panel.onDidDispose(() => {
      rpc.dispose();
      watching.dispose();
      events.dispose();
      this.closed(path);
    });
    panel.webview.html = editorHtml(panel.webview, context.extensionUri);
  }

  private closed(path: string): void {
    const left = (this.panels.get(path) ?? 1) - 1;
    this.panels.set(path, left);
    if (left === 0) this.services.sessions.release(path);
  }

  private connect(panel: vscode.WebviewPanel, session: ModelSession): HostRpc {
    const { engine } = this.services;
    const run = (command: string, argument: unknown): Thenable<void> =>
      vscode.commands.executeCommand(command, argument);
    const exportSettings = async ({ usePlan, ...settings }: PanelSettings): Promise<ExportSettings> => ({
      ...settings,
      ...(await session.planFile(usePlan)),
    });
    const steps = new PlanSteps();
    let previewing: AbortController | undefined;
    const handlers: Handlers<WebviewRequests> = {
      ...evaluationHandlers(this.services, session),
      ready: () => session.load(),
      analyse: ({ tensor }) => engine.call('tensor/analyse', { path: session.path, tensor }),
      region: ({ tensor, region }) => engine.call('tensor/region', { path: session.path, tensor, region }),
      metadata: (params) => engine.call('model/metadata', { path: session.path, ...params }),
      quantize: async ({ tensors }) =>
        run(commands.quantizeLayer, { quantscopeModel: session.path, quantscopeTensors: tensors }),
      saveQuantized: (params) => this.saveQuantized(session, params),
      compareWith: async () => run(commands.compareWith, { model: session.path }),
      overlay: ({ other, tensor }) => engine.call('tensor/overlay', { path: session.path, other, tensor }),
      runSensitivity: () => void session.runSensitivity(),
      runSensitivityOverText: () => void run(commands.runSensitivityOverText, { model: session.path }),
      cancelJob: () => session.cancelJob(),
      restartEngine: () => void session.restartEngine(),
      solvePlan: ({ budget, since, moving }) =>
        steps.next(session.solve(budget, moving ? 'quick' : 'exact'), since),
      savePlan: async ({ budget }) =>
        vscode.commands.executeCommand<{ out: string } | undefined>(commands.savePlan, {
          model: session.path,
          budget,
        }),
      exportChoices: () => engine.call('export/fileTypes', {}),
      previewExport: async ({ settings }) => {
        previewing?.abort();
        const { signal } = (previewing = new AbortController());
        const params = { path: session.path, ...(await exportSettings(settings)) };
        return engine.call('export/preview', params, { signal });
      },
      startExport: async ({ settings }) =>
        run(commands.exportGguf, {
          model: session.path,
          settings: await exportSettings(settings),
        }),
      chooseFile: ({ kind }) => chooseFile(session, kind),
      loadTensorTypes: () => loadTensorTypes(session),
      saveTensorTypes: ({ rules }) => saveTensorTypes(session, rules),
      exportGguf: async ({ plan, budget }) => {
        if (plan && budget) session.solve(budget);
        return run(plan ? commands.exportWithPlan : commands.exportGguf, {
          model: session.path,
          usePlan: plan,
        });
      },
    };
    const channel = {
      post: (message: unknown) => void panel.webview.postMessage(message),
      onMessage: (listener: (message: unknown) => void) => panel.webview.onDidReceiveMessage(listener),
    };
    return new Rpc(channel, handlers);
  }

  private async saveQuantized(
    session: ModelSession,
    { tensors, format }: WebviewRequests['saveQuantized']['params'],
  ): Promise<{ out: string } | undefined> {
    const folder = vscode.Uri.joinPath(vscode.Uri.file(session.path), '..');
    const name = tensors.length === 1 ? tensors[0]! : `${tensors.length}-tensors`;
    const target = await vscode.window.showSaveDialog({
      defaultUri: vscode.Uri.joinPath(folder, `${name}.${format}.safetensors`),
      filters: { Safetensors: ['safetensors'] },
    });
    if (!target) return undefined;
    const { out } = await this.services.engine.call('tensor/quantize', {
      path: session.path,
      tensors,
      format,
      out: target.fsPath,
    });
    return { out };
  }
}

/** Calls back when the file was written, once it is quiet. */
function watchFile(uri: vscode.Uri, changed: () => void): vscode.Disposable {
  const watcher = vscode.workspace.createFileSystemWatcher(
    new vscode.RelativePattern(vscode.Uri.joinPath(uri, '..'), uri.path.split('/').pop() ?? ''),
  );
  let timer: NodeJS.Timeout | undefined;
  const later = (): void => {
    clearTimeout(timer);
    timer = setTimeout(changed, changeDelay);
  };
  watcher.onDidChange(later);
  watcher.onDidCreate(later);
  return vscode.Disposable.from(watcher, { dispose: () => clearTimeout(timer) });
}
