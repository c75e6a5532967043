import * as vscode from 'vscode';
import { planEnding } from '../../ampq/planFile';
import { documentKind } from '../../protocol/documentCheck';
import { otherGlob } from '../contributions';

/** Most plans of a workspace that are offered. */
const maxPlans = 500;

export const isPlan = ({ path }: vscode.Uri): boolean => path.toLowerCase().endsWith(planEnding);

export const isRecipe = ({ path }: vscode.Uri): boolean => documentKind(path) === 'recipe';

/** The plan in the text editor in front. */
export function activePlan(): vscode.Uri | undefined {
  const uri = vscode.window.activeTextEditor?.document.uri;
  return uri && isPlan(uri) ? uri : undefined;
}

/** Lets the user pick a plan of the workspace, or one from elsewhere; undefined when the user cancelled. */
export async function pickPlan(title: string, except?: vscode.Uri): Promise<vscode.Uri | undefined> {
  const found = await vscode.workspace.findFiles(`**/*${planEnding}`, otherGlob, maxPlans);
  const browse = vscode.l10n.t('$(folder-opened) Browse…');
  const items: (vscode.QuickPickItem & { readonly uri?: vscode.Uri })[] = found
    .filter((uri) => uri.toString() !== except?.toString())
    .map((uri) => ({ label: vscode.workspace.asRelativePath(uri), uri }))
    .sort((a, b) => a.label.localeCompare(b.label));
  const picked = await vscode.window.showQuickPick([...items, { label: browse }], { title });
  if (!picked || picked.uri) return picked?.uri;
  const filters = { [vscode.l10n.t('AMPQ plan')]: ['ampq.json', 'json'] };
  return (await vscode.window.showOpenDialog({ title, filters }))?.[0];
}
