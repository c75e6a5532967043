import { readFile, writeFile } from 'node:fs/promises';
import { dirname, extname, join } from 'node:path';
import * as vscode from 'vscode';
import { parseTensorTypes, printTensorTypes } from '../../exporter/plan/tensorTypes';
import type { TensorTypeRule } from '../../protocol/export';
import type { ExportFileKind } from '../../protocol/webview';
import type { ModelSession } from '../modelSession';

/** The files that the export panel asks for, by a dialog that begins in the model's folder. */

const dialogs: Readonly<Record<ExportFileKind, vscode.OpenDialogOptions>> = {
  imatrix: { title: 'Importance matrix', filters: { 'Importance matrix': ['gguf', 'dat'] } },
  plan: { title: 'AMPQ plan', filters: { 'AMPQ plan': ['ampq.json', 'json'] } },
};

const tensorTypeFilters = { 'Tensor-type file': ['txt'], 'All files': ['*'] };

export async function chooseExportFile(
  session: ModelSession,
  kind: ExportFileKind,
): Promise<{ path: string } | undefined> {
  const path = await open(session, dialogs[kind]);
  return path === undefined ? undefined : { path };
}

/** @throws QuantscopeError REQUEST naming an entry that is no rule. */
export async function loadTensorTypes(
  session: ModelSession,
): Promise<{ rules: readonly TensorTypeRule[] } | undefined> {
  const path = await open(session, { title: 'Tensor-type file', filters: tensorTypeFilters });
  return path === undefined ? undefined : { rules: parseTensorTypes(await readFile(path, 'utf8'), path) };
}

export async function saveTensorTypes(
  session: ModelSession,
  rules: readonly TensorTypeRule[],
): Promise<void> {
  const target = await vscode.window.showSaveDialog({
    defaultUri: vscode.Uri.file(join(folderOf(session), 'tensor-types.txt')),
    filters: tensorTypeFilters,
    title: 'Save the tensor-type rules',
  });
  if (target) await writeFile(target.fsPath, printTensorTypes(rules));
}

async function open(session: ModelSession, options: vscode.OpenDialogOptions): Promise<string | undefined> {
  const files = await vscode.window.showOpenDialog({
    defaultUri: vscode.Uri.file(folderOf(session)),
    ...options,
  });
  return files?.[0]?.fsPath;
}

const folderOf = ({ path }: ModelSession): string => (extname(path) === '' ? path : dirname(path));
