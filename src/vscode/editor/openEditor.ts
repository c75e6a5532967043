import * as vscode from 'vscode';
import type { ModelSession } from '../modelSession';
import { viewTypeOf } from '../paths';
import { uriOf } from '../remote/modelUri';
import type { Editors, EditorRequest } from './editors';

/**
 * Brings a model's editor to the front, or opens one, and shows something in it. An open editor is found by what it shows, whichever of
 * the model's files it was opened with.
 */
export async function openEditor(
  { editors }: { readonly editors: Editors },
  { path, key }: Pick<ModelSession, 'path' | 'key'>,
  request: EditorRequest = {},
): Promise<void> {
  if (!editors.reveal(key))
    await vscode.commands.executeCommand('vscode.openWith', uriOf(path), viewTypeOf(path));
  editors.show(key, request);
}
