import * as vscode from 'vscode';
import { commands } from '../contributions';
import { isPlan } from './planFiles';

/** What can be done with a plan or a recipe, above its first line. */
export class PlanLenses implements vscode.CodeLensProvider {
  provideCodeLenses({ uri }: vscode.TextDocument): vscode.CodeLens[] {
    const top = new vscode.Range(0, 0, 0, 0);
    const lens = (title: string, command: string): vscode.CodeLens =>
      new vscode.CodeLens(top, { title, command, arguments: [uri] });
    if (!isPlan(uri)) return [lens(vscode.l10n.t('Dry Run'), commands.dryRunRecipe)];
    return [
      lens(vscode.l10n.t('Open in Plan Page'), commands.openPlan),
      lens(vscode.l10n.t('Compare Plans…'), commands.comparePlans),
    ];
  }
}
