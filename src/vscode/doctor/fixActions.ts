import * as vscode from 'vscode';
import type { ModelRef } from '../../protocol/model';
import { inLanguage } from '../../protocol/said';
import { commands } from '../contributions';
import type { Problems } from './problems';

/** What the command of a quick fix is told. */
export interface FixArgument {
  readonly model: ModelRef;
  readonly code: string;
  /** The file that is changed. */
  readonly file: string;
}

/** Quick fixes of findings in files of settings: the engine applies them as the command line does. */
export class FixActions implements vscode.CodeActionProvider {
  static readonly selector: vscode.DocumentSelector = { scheme: 'file', pattern: '**/*.json' };
  static readonly metadata = { providedCodeActionKinds: [vscode.CodeActionKind.QuickFix] };

  constructor(private readonly problems: Problems) {}

  provideCodeActions(
    { uri }: vscode.TextDocument,
    _: vscode.Range,
    { diagnostics }: vscode.CodeActionContext,
  ): vscode.CodeAction[] {
    return diagnostics.flatMap((diagnostic) =>
      this.problems.behind(uri, diagnostic).flatMap(({ model, finding: { code, fix, file } }) => {
        if (fix === undefined) return [];
        const title = vscode.l10n.t('Fix: {0}', inLanguage(fix));
        const action = new vscode.CodeAction(title, vscode.CodeActionKind.QuickFix);
        const argument: FixArgument = { model, code, file };
        action.command = { command: commands.fixFinding, title, arguments: [argument] };
        action.diagnostics = [diagnostic];
        action.isPreferred = true;
        return [action];
      }),
    );
  }
}
