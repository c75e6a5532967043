import * as vscode from 'vscode';
import type { DocumentCheck } from '../../protocol/documentCheck';
import { messageOf } from '../host';
import { modelsAround } from '../modelsAround';
import { pathOf } from '../remote/modelUri';
import type { Services } from '../services';

/** Plans and recipes, in whichever language mode. */
export const plansAndRecipes: vscode.DocumentSelector = ['ampq', 'recipe'].map((kind) => ({
  scheme: 'file',
  pattern: `**/*.${kind}.json`,
}));

/** Milliseconds before a document is checked: soon where it was opened, after a pause where it is being written. */
const delays = { opened: 50, changed: 250 };

/** A check of one version of a document. */
interface Running {
  readonly version: number;
  readonly controller: AbortController;
  /** Undefined where it was cancelled or failed. */
  readonly result: Promise<DocumentCheck | undefined>;
}

/** A document, and what is known of its present version. */
export interface CheckedDocument {
  readonly document: vscode.TextDocument;
  readonly check: DocumentCheck;
}

/** Checks plans and recipes that are open, once for each version, for all that is shown of them. */
export class DocumentChecks implements vscode.Disposable {
  private readonly running = new Map<string, Running>();
  private readonly latestOf = new Map<string, DocumentCheck>();
  private readonly checked = new vscode.EventEmitter<CheckedDocument>();
  private readonly closed = new vscode.EventEmitter<vscode.Uri>();
  private readonly subscriptions: vscode.Disposable;

  /** Fires when a document was checked. */
  readonly onChecked = this.checked.event;
  /** Fires when nothing is to be shown of a document any longer. */
  readonly onClosed = this.closed.event;

  constructor(private readonly services: Services) {
    const { workspace, window } = vscode;
    this.subscriptions = vscode.Disposable.from(
      workspace.onDidOpenTextDocument((document) => this.check(document, delays.opened)),
      workspace.onDidChangeTextDocument(({ document }) => this.check(document, delays.changed)),
      workspace.onDidCloseTextDocument(({ uri }) => this.forget(uri)),
      // Models may have come or gone meanwhile.
      window.onDidChangeActiveTextEditor((editor) => editor && this.again(editor.document)),
    );
  }

  /** Checks what is open by now. */
  start(): void {
    for (const document of vscode.workspace.textDocuments) this.check(document, delays.opened);
  }

  /** The check of the present version; undefined where there is none, or a newer version comes first. */
  async of(document: vscode.TextDocument): Promise<DocumentCheck | undefined> {
    const { version } = document;
    if (this.running.get(document.uri.toString())?.version !== version) this.check(document, 0);
    const check = await this.running.get(document.uri.toString())?.result;
    return document.version === version ? check : undefined;
  }

  /** The last check of any version: for what does not depend on the text, such as names. */
  async latest(document: vscode.TextDocument): Promise<DocumentCheck | undefined> {
    return this.latestOf.get(document.uri.toString()) ?? this.of(document);
  }

  dispose(): void {
    for (const { controller } of this.running.values()) controller.abort();
    this.running.clear();
    this.subscriptions.dispose();
    this.checked.dispose();
    this.closed.dispose();
  }

  private again(document: vscode.TextDocument): void {
    const key = document.uri.toString();
    if (this.latestOf.has(key) && !this.latestOf.get(key)!.model) this.check(document, delays.opened);
  }

  private check(document: vscode.TextDocument, delay: number): void {
    if (vscode.languages.match(plansAndRecipes, document) === 0) return;
    const key = document.uri.toString();
    this.running.get(key)?.controller.abort();
    const controller = new AbortController();
    const { version } = document;
    const result = this.run(document, delay, controller.signal);
    this.running.set(key, { version, controller, result });
  }

  private async run(
    document: vscode.TextDocument,
    delay: number,
    signal: AbortSignal,
  ): Promise<DocumentCheck | undefined> {
    await new Promise((resolve) => setTimeout(resolve, delay));
    if (signal.aborted) return undefined;
    try {
      const paths = await modelsAround(this.services, document.uri);
      const params = { text: document.getText(), file: pathOf(document.uri), paths };
      const check = await this.services.engine.call('document/check', params, { signal });
      if (signal.aborted) return undefined;
      this.latestOf.set(document.uri.toString(), check);
      this.checked.fire({ document, check });
      return check;
    } catch (error) {
      if (!signal.aborted) this.services.log.warn(`A document could not be checked: ${messageOf(error)}`);
      return undefined;
    }
  }

  private forget(uri: vscode.Uri): void {
    const key = uri.toString();
    this.running.get(key)?.controller.abort();
    this.running.delete(key);
    if (this.latestOf.delete(key)) this.closed.fire(uri);
  }
}
