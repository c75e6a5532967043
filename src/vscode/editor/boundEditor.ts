import { basename, dirname } from 'node:path';
import * as vscode from 'vscode';
import { nameFromPath } from '../../model/modelName';
import { isRemote } from '../../model/remote/address';
import { pack } from '../../protocol/packed';
import { Rpc, type Handlers } from '../../protocol/rpc';
import { messageInLanguage } from '../../protocol/said';
import type { EditorState } from '../../protocol/editorState';
import type { HostEvents, WebviewRequests } from '../../protocol/webview';
import { messageOf } from '../host';
import type { ModelSession } from '../modelSession';
import type { Services } from '../services';
import { EditorPage } from './editors';
import { editorTitle } from './editorTitle';
import { pageHandlers } from './handlers';
import type { OpenedFiles } from './openedFiles';
import { editorHtml } from './html';

type HostRpc = Rpc<WebviewRequests, Record<never, never>, Record<never, never>, HostEvents>;

/** Hooks for the sessions that an editor shows. */
interface SessionUse {
  opened(session: ModelSession): void;
  /** The last editor of the session released it. */
  closed(key: string): void;
}

/** What a page shows now. */
interface Shown {
  readonly session: ModelSession;
  readonly page: EditorPage;
  readonly handlers: Handlers<WebviewRequests>;
  readonly events: vscode.Disposable;
}

/** One editor: a page, and the session that it shows, which is that of the whole model or of one of its files. */
export class BoundEditor {
  private shown: Shown;
  private readonly rpc: HostRpc;

  constructor(
    private readonly services: Services,
    private readonly panel: vscode.WebviewPanel,
    private readonly files: OpenedFiles,
    private readonly use: SessionUse,
  ) {
    const { webview } = panel;
    const { extensionUri } = services.context;
    webview.options = {
      enableScripts: true,
      localResourceRoots: [vscode.Uri.joinPath(extensionUri, 'dist')],
    };
    this.shown = this.show(false);
    this.rpc = this.connect();
    panel.onDidChangeViewState(() => {
      if (panel.active) this.activate();
    });
    panel.onDidDispose(() => {
      this.rpc.dispose();
      this.leave(this.shown);
    });
    webview.html = editorHtml(webview, extensionUri);
  }

  /** Shows the one file that was opened, or the whole model. */
  private async openAlone(alone: boolean): Promise<void> {
    if (this.shown.session.alone === alone) return;
    const before = this.shown;
    const shown = (this.shown = this.show(alone));
    this.leave(before);
    try {
      const state = await shown.session.open();
      if (this.shown === shown) this.rpc.notify('opened', this.withPart(shown.page.loaded(state)));
    } catch (error) {
      if (this.shown === shown) this.rpc.notify('openFailed', { message: messageOf(error) });
    }
  }

  private show(alone: boolean): Shown {
    const { sessions, editors, evaluations, quantizations, refinements } = this.services;
    const session = sessions.get(alone ? this.files.opened : this.files.whole, alone);
    this.use.opened(session);
    // An address of the Hub ends in a revision; it stays the title of a model that cannot be opened.
    if (!session.description && isRemote(session.path))
      this.panel.title = nameFromPath(dirname(session.path), basename(session.path));
    const page = new EditorPage(session.key, {
      tell: ({ tensor, tab }) => {
        if (tensor !== undefined) this.rpc.notify('reveal', { tensor });
        if (tab !== undefined) this.rpc.notify('tab', tab);
      },
      reveal: () => this.panel.reveal(),
      openAlone: (one) => this.openAlone(one),
    });
    const events = vscode.Disposable.from(
      session.onEvent((event) =>
        event.name === 'opened'
          ? this.rpc.notify('opened', this.withPart(event.payload))
          : this.rpc.notify(event.name, event.payload),
      ),
      session.onDescribed((model) => (this.panel.title = editorTitle(model))),
      evaluations.get(session.ref).onEvent(({ name, payload }) => this.rpc.notify(name, payload)),
      quantizations.get(session.ref).onEvent((step) => this.rpc.notify('quantization', step)),
      refinements.get(session.ref).onEvent((activity) => this.rpc.notify('refinement', activity)),
    );
    editors.add(page);
    sessions.activate(session);
    const handlers = pageHandlers(this.services, session, page);
    const ready: typeof handlers.ready = async (...args) => this.withPart(await handlers.ready(...args));
    return { session, page, handlers: { ...handlers, ready }, events };
  }

  /** The state, with the file that the editor was opened with. */
  private withPart(state: EditorState): EditorState {
    const { part } = this.files;
    return part ? { ...state, part: { ...part, alone: this.shown.session.alone } } : state;
  }

  private activate(): void {
    this.services.editors.use(this.shown.page);
    this.services.sessions.activate(this.shown.session);
  }

  private leave({ session, page, events }: Shown): void {
    events.dispose();
    if (this.services.editors.remove(page)) this.use.closed(session.key);
  }

  private connect(): HostRpc {
    const { panel } = this;
    const { log, start } = this.services;
    const translated = vscode.l10n.bundle ? messageInLanguage : (message: unknown): unknown => message;
    const post = async (message: unknown): Promise<void> => {
      if (!(await panel.webview.postMessage(pack(translated(message)))))
        log.debug('A message to a closed editor was dropped.');
    };
    return new Rpc(
      {
        post: (message) => start(post(message)),
        onMessage: (listener) => panel.webview.onDidReceiveMessage(listener),
      },
      handlersOf(() => this.shown.handlers),
    );
  }
}

/** Handlers that delegate to the current ones. */
function handlersOf(current: () => Handlers<WebviewRequests>): Handlers<WebviewRequests> {
  const names = Object.keys(current()) as (keyof WebviewRequests)[];
  const entries = names.map((name) => [
    name,
    (...args: Parameters<Handlers<WebviewRequests>[typeof name]>): unknown =>
      (current()[name] as (...given: unknown[]) => unknown)(...args),
  ]);
  return Object.fromEntries(entries) as Handlers<WebviewRequests>;
}
