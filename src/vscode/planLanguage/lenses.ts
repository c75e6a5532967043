import * as vscode from 'vscode';
import { commands } from '../contributions';

/** What can be done with a plan, above its first line. */
export class PlanLenses implements vscode.CodeLensProvider {
  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const top = new vscode.Range(0, 0, 0, 0);
    const lens = (title: string, command: string): vscode.CodeLens =>
      new vscode.CodeLens(top, { title, command, arguments: [uri] });
    return [
      lens(vscode.l10n.t('Open in Plan Page'), commands.openPlan),
      lens(vscode.l10n.t('Compare Plans…'), commands.comparePlans),
    ];
  }
}
