import * as vscode from 'vscode';
import { inLanguage } from '../../protocol/said';
import type { DocumentChecks } from './documentChecks';

/** Bits and bytes at the end of what they belong to. */
export class Hints implements vscode.InlayHintsProvider, vscode.Disposable {
  private readonly changed = new vscode.EventEmitter<void>();
  readonly onDidChangeInlayHints = this.changed.event;
  private readonly subscription: vscode.Disposable;

  constructor(private readonly checks: DocumentChecks) {
    this.subscription = checks.onChecked(() => this.changed.fire());
  }

  async provideInlayHints(
    document: vscode.TextDocument,
    range: vscode.Range,
    token: vscode.CancellationToken,
  ): Promise<vscode.InlayHint[]> {
    const check = await this.checks.of(document);
    if (!check || token.isCancellationRequested) return [];
    const [start, end] = [document.offsetAt(range.start), document.offsetAt(range.end)];
    return check.hints
      .filter(({ offset }) => offset >= start && offset <= end)
      .map(({ offset, text }) => {
        const hint = new vscode.InlayHint(document.positionAt(offset), inLanguage(text));
        hint.paddingLeft = true;
        return hint;
      });
  }

  dispose(): void {
    this.subscription.dispose();
    this.changed.dispose();
  }
}
