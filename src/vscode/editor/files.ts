import * as vscode from 'vscode';
import { outputFolder } from '../remote/modelUri';
import type { FileKind } from '../../protocol/webview';
import { modelEndings } from '../contributions';
import type { ModelSession } from '../modelSession';

/** Files that the panels request, by a dialog that opens in the model's folder. */

const anyFile = { 'All files': ['*'] };
export const dialogs: Readonly<Record<FileKind, vscode.OpenDialogOptions>> = {
  imatrix: { title: 'Importance matrix', filters: { 'Importance matrix': ['gguf', 'dat'] } },
  plan: { title: 'AMPQ plan', filters: { 'AMPQ plan': ['ampq.json', 'json'] } },
  text: { title: 'Text', filters: { Text: ['txt', 'raw', 'md'], ...anyFile } },
  tasks: { title: 'Multiple-choice questions', filters: { 'JSON lines': ['jsonl', 'json'], ...anyFile } },
  pairs: { title: 'Pairs of texts', filters: { 'JSON lines': ['jsonl', 'json'], ...anyFile } },
  recipe: { title: 'Recipe', filters: { Recipes: ['json'] } },
  original: {
    ...{ title: 'Original model', canSelectFiles: true, canSelectFolders: true },
    filters: { Models: modelEndings },
  },
  gguf: { title: 'GGUF file', filters: { GGUF: ['gguf'] } },
  model: { title: 'Base model', filters: { Models: modelEndings } },
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
