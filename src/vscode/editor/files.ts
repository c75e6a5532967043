import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import type { FileKind } from '../../protocol/pageRequests/model';
import { modelEndings } from '../contributions';
import type { ModelSession } from '../modelSession';

/** Files that the panels request, by a dialog that opens in the model's folder. */

const anyFile = { [vscode.l10n.t('All files')]: ['*'] };
export const dialogs: Readonly<Record<FileKind, vscode.OpenDialogOptions>> = {
  imatrix: {
    title: vscode.l10n.t('Importance matrix'),
    filters: { [vscode.l10n.t('Importance matrix')]: ['gguf', 'dat'] },
  },
  plan: {
    title: vscode.l10n.t('AMPQ plan'),
    filters: { [vscode.l10n.t('AMPQ plan')]: ['ampq.json', 'json'] },
  },
  text: {
    title: vscode.l10n.t('Text'),
    filters: { [vscode.l10n.t('Text')]: ['txt', 'raw', 'md'], ...anyFile },
  },
  tasks: {
    title: vscode.l10n.t('Multiple-choice questions'),
    filters: { [vscode.l10n.t('JSON lines')]: ['jsonl', 'json'], ...anyFile },
  },
  pairs: {
    title: vscode.l10n.t('Pairs of texts'),
    filters: { [vscode.l10n.t('JSON lines')]: ['jsonl', 'json'], ...anyFile },
  },
  recipe: { title: vscode.l10n.t('Recipe'), filters: { [vscode.l10n.t('Recipes')]: ['json'] } },
  original: {
    ...{ title: vscode.l10n.t('Original model'), canSelectFiles: true, canSelectFolders: true },
    filters: { [vscode.l10n.t('Models')]: modelEndings },
  },
  gguf: { title: vscode.l10n.t('GGUF file'), filters: { GGUF: ['gguf'] } },
  model: { title: vscode.l10n.t('Base model'), filters: { [vscode.l10n.t('Models')]: modelEndings } },
};

export async function chooseFile(
  session: ModelSession,
  kind: FileKind,
): Promise<{ path: string } | undefined> {
  const path = await askFile(session, dialogs[kind]);
  return path === undefined ? undefined : { path };
}

/** @returns undefined when the user cancelled. */
export async function askFile(
  session: ModelSession,
  options: vscode.OpenDialogOptions,
): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({
    defaultUri: vscode.Uri.file(outputFolder(session.folder)),
    ...options,
  });
  return files?.[0]?.fsPath;
}
